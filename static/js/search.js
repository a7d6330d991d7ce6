// The search in the top bar shows what it finds while somebody types. Ctrl+K and / go there, and ? shows the keys.
// A token is not searched for: it is posted, and looked up.

const form = document.querySelector("[data-search]");

if (form) {
  const input = form.querySelector("input");
  const panel = form.querySelector("[data-found]");
  const results = form.querySelector("[data-results]");
  const isToken = (text) => /tsr[a-z]_[0-9A-Za-z]{36}/.test(text);
  let latest = 0;
  let timer;

  const close = () => {
    latest += 1;
    clearTimeout(timer);
    panel.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };

  const open = () => {
    panel.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };

  const search = async () => {
    const text = input.value.trim();
    latest += 1;
    const own = latest;
    if (isToken(text)) {
      results.textContent = "Press Enter to look this token up.";
      open();
      return;
    }
    const answer = await fetch(`${form.action}?part=1&q=${encodeURIComponent(text)}`).catch(() => null);
    if (own !== latest || !answer?.ok || answer.redirected) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (own !== latest) return;
    results.replaceChildren(...found.body.childNodes);
    open();
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  input.addEventListener("focus", () => {
    if (input.value.trim()) search();
  });

  // Arrows move through the results, and back to the field.
  form.addEventListener("keydown", (event) => {
    const links = panel.hidden ? [] : [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const go = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (event.key === "Escape" && !panel.hidden) {
      event.preventDefault();
      close();
      input.focus();
    } else if (go !== undefined && links.length > 0) {
      event.preventDefault();
      (links[go] ?? (go < 0 ? input : links.at(-1))).focus();
    } else if (event.key === "Enter" && event.target === input && at < 0 && links.length > 0 && !isToken(input.value)) {
      // The best match.
      event.preventDefault();
      links[0].click();
    }
  });

  addEventListener("click", (event) => {
    if (!form.contains(event.target)) close();
  });

  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  addEventListener("keydown", (event) => {
    const isPalette = event.key === "k" && (event.ctrlKey || event.metaKey);
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (document.querySelector("dialog:modal") || !(isPalette || (isPlain && ["/", "?"].includes(event.key)))) return;
    event.preventDefault();
    input.focus();
    input.select();
    if (event.key === "?") {
      results.replaceChildren();
      open();
    } else if (!input.value.trim()) {
      search();
    }
  });
}
