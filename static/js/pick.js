// Rows of a list that are selected: how many there are, and all of the page at once.

for (const count of document.querySelectorAll("[data-picked]")) {
  const form = count.closest("form");
  const all = form.querySelector("[data-pick-all]");
  const boxes = [...form.querySelectorAll("[data-pick]")];

  const update = () => {
    const picked = boxes.filter((box) => box.checked).length;
    count.textContent = `${picked} selected`;
    all.checked = picked > 0 && picked === boxes.length;
    all.indeterminate = picked > 0 && picked < boxes.length;
  };

  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  form.addEventListener("change", update);
  // The browser may have kept the selection of an earlier visit.
  addEventListener("pageshow", update);
}
