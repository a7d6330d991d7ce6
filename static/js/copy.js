// Copies a value and says so. Plain http has no clipboard: there the value is selected, to be copied by hand.
// Once copied, the value has data-copied, which tells reveal.js that it is not lost.

const value = document.querySelector("[data-value]");
const said = document.querySelector("[data-said]");

const copy = async () => {
  try {
    await navigator.clipboard.writeText(value.value);
    said.textContent = "Copied to the clipboard";
    value.dataset.copied = "";
  } catch {
    value.type = "text";
    value.focus();
    value.select();
    said.textContent = "Selected. Press Ctrl+C (or ⌘C) to copy.";
  }
};

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", copy);
}

value?.addEventListener("copy", () => {
  value.dataset.copied = "";
});
