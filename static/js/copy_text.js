// A button beside an id or a command copies the text of the element before it. Plain http has no
// clipboard: there the text is selected, to be copied by hand.

for (const button of document.querySelectorAll("[data-copy-text]")) {
  const source = button.previousElementSibling;
  const label = button.getAttribute("aria-label");
  button.hidden = false;

  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.setAttribute("aria-label", "Copied");
      setTimeout(() => button.setAttribute("aria-label", label), 2000);
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
}
