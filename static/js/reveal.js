// The page that shows a value once: nobody leaves it by accident before the value is copied.

const dialog = document.querySelector("[data-reveal]");

if (dialog) {
  const find = (attribute) => dialog.querySelector(`[${attribute}]`);
  const value = find("data-value");
  const isCopied = () => "copied" in value.dataset;

  // The page arrives with the dialog open, for those without scripts. Here it keeps the focus inside.
  dialog.close();
  dialog.showModal();
  find("data-reveal-title").focus();

  // Hide and show the value.
  const hide = find("data-hide");
  hide.hidden = false;
  hide.addEventListener("click", () => {
    const hides = value.type === "text";
    value.type = hides ? "password" : "text";
    find("data-hide-label").textContent = hides ? "Show" : "Hide";
  });

  // Escape asks before it loses the value.
  const question = find("data-ask");
  const leave = () => {
    value.dataset.copied = "";
    find("data-done").requestSubmit();
  };
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (isCopied()) {
      leave();
      return;
    }
    question.hidden = false;
    find("data-stay").focus();
  });
  find("data-stay").addEventListener("click", () => {
    question.hidden = true;
    find("data-copy").focus();
  });
  find("data-leave").addEventListener("click", leave);
  // Whoever copies the value has answered.
  find("data-copy").addEventListener("click", () => {
    question.hidden = true;
  });

  // So does closing the tab. A page that is left forgets the value.
  addEventListener("beforeunload", (event) => {
    if (!isCopied()) event.preventDefault();
  });
  addEventListener("pagehide", () => {
    value.value = "";
  });
}
