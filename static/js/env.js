// Saves a value that is shown once as a file: TESSERA_TOKEN=… in NAME.env.

for (const button of document.querySelectorAll("[data-env]")) {
  const value = document.querySelector("[data-value]");
  button.hidden = false;

  button.addEventListener("click", () => {
    const content = new Blob([`TESSERA_TOKEN=${value.value}\n`], { type: "text/plain" });
    const file = URL.createObjectURL(content);
    const name = button.dataset.env.replace(/[^A-Za-z0-9._-]+/g, "-") || "tessera";
    Object.assign(document.createElement("a"), { href: file, download: `${name}.env` }).click();
    setTimeout(() => URL.revokeObjectURL(file), 1000);
    value.dataset.copied = "";
  });
}
