// The search in the top bar shows what it finds while somebody types. Ctrl+K and / go there, and ? shows the keys.
// A token is not searched for: it is posted, and looked up.

const form = document.querySelector("[data-search]");

if (form) {
  const input = form.querySelector("input");
  const panel = form.querySelector("[data-found]");
  const results = form.querySelector("[data-results]");
  const said = form.querySelector("[data-results-said]");
  // Also a part of one, or one with a mistake.
  const isToken = (text) => /tsr[a-z]_[0-9A-Za-z]{8,}/.test(text);
  // The text that the results belong to.
  let shown = null;
  let latest = 0;
  let timer;

  const close = () => {
    latest += 1;
    clearTimeout(timer);
    panel.hidden = true;
  };

  const open = () => {
    panel.hidden = false;
  };

  const search = async () => {
    const text = input.value.trim();
    latest += 1;
    const own = latest;
    if (isToken(text)) {
      results.replaceChildren();
      said.textContent = "Press Enter to look this token up.";
      shown = null;
      open();
      return;
    }
    const answer = await fetch(`${form.action}?part=1&q=${encodeURIComponent(text)}`).catch(() => null);
    if (own !== latest || !answer?.ok || answer.redirected) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (own !== latest) return;
    results.replaceChildren(...found.body.childNodes);
    const count = results.querySelectorAll("a").length;
    said.textContent = count === 1 ? "1 result" : `${count} results`;
    shown = text;
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
    // Not the results of what stood there before.
    const isCurrent = shown === input.value.trim();
    const go = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (event.key === "Escape" && !panel.hidden) {
      event.preventDefault();
      // The field searches when it gets the focus; closing cancels that.
      input.focus();
      close();
    } else if (go !== undefined && links.length > 0) {
      event.preventDefault();
      (links[go] ?? (go < 0 ? input : links.at(-1))).focus();
    } else if (event.key === "Enter" && !event.isComposing && at < 0 && isCurrent && links.length > 0) {
      // The best match.
      event.preventDefault();
      links[0].click();
    }
  });

  addEventListener("click", (event) => {
    if (!form.contains(event.target)) close();
  });
  form.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !form.contains(event.relatedTarget)) close();
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
