// A box that searches the choices beside it. All choices are there in any case, and what is chosen stays in sight.

for (const box of document.querySelectorAll("[data-filter]")) {
  const choices = [...box.closest("[data-filtered]").querySelectorAll("label:not([data-filter])")];
  const input = box.querySelector("[type=search]");
  box.hidden = false;

  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const choice of choices) {
      const isChosen = choice.control?.checked;
      choice.hidden = !isChosen && !choice.textContent.toLowerCase().includes(wanted);
    }
  });
  // Enter searches; it does not send the form.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}
