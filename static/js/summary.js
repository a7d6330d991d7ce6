// The summary of a form follows its fields: the server tells what it would store.
// Should the server not answer, the button that asks for the summary shows again.

for (const form of document.querySelectorAll("form:has([data-summary])")) {
  const button = form.querySelector("[data-preview]");
  button.hidden = true;
  let latest = 0;

  const update = async () => {
    latest += 1;
    const current = latest;
    const fields = new URLSearchParams(new FormData(form));
    fields.set("preview", "1");
    const answer = await fetch(form.action, { method: "POST", body: fields, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const summary = page.querySelector("[data-summary]");
    if (!answer.ok || !summary) throw new Error("no summary");
    // An answer that a later one has overtaken is out of date.
    if (current === latest) form.querySelector("[data-summary]").replaceChildren(...summary.childNodes);
  };

  form.addEventListener("change", () => {
    update().catch(() => {
      button.hidden = false;
    });
  });
}
