// Permission sets as cards beside the list that the form sends: choosing in one chooses in the other.

for (const cards of document.querySelectorAll("[data-sets]")) {
  const select = cards.closest(".field").querySelector("select");
  cards.hidden = false;

  const show = () => {
    for (const card of cards.querySelectorAll("[type=radio]")) card.checked = card.value === select.value;
  };

  cards.addEventListener("change", (event) => {
    if (event.target.type !== "radio") return;
    select.value = event.target.value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  select.addEventListener("change", show);
  // The browser may have kept the choice of an earlier visit.
  addEventListener("pageshow", show);
}
