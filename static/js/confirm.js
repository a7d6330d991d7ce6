// A question opens over the page that it is asked on. Its form goes where its own page would send it.
// Whatever goes wrong, that page opens instead.

const ask = async (link) => {
  const answer = await fetch(link.href, { credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const title = page.querySelector("h1");
  const form = page.querySelector("[data-question]");
  if (!answer.ok || answer.redirected || !title || !form) throw new Error("no question");

  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "question");
  const heading = document.createElement("h2");
  Object.assign(heading, { id: "question", textContent: title.textContent.trim() });
  dialog.append(heading, form);
  document.body.append(dialog);

  form.querySelector("[data-cancel]")?.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  dialog.showModal();
};

for (const link of document.querySelectorAll("[data-confirm]")) {
  link.addEventListener("click", (event) => {
    // A link that is opened in a tab of its own stays a link.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    ask(link).catch(() => {
      location.href = link.href;
    });
  });
}
