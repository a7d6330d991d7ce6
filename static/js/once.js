// A form that must not be sent twice is sent once, and its button shows that it is on its way.
// Who comes back to the page may send it again.

for (const form of document.querySelectorAll("[data-once]")) {
  const button = form.querySelector("[data-busy]");
  let sent = false;

  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
    button?.setAttribute("aria-busy", "true");
  });

  addEventListener("pageshow", () => {
    sent = false;
    button?.removeAttribute("aria-busy");
  });
}
