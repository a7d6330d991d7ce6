// Makes pages nicer that work without it. Nothing is kept: no storage, no requests to others.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);

// Mistakes take the focus.
one('[data-focus]')?.focus();

// The tab that is open shows, where the tabs scroll.
one('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });

// Menus close with Escape and with a click elsewhere.
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  for (const menu of all('.menu[open]')) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});
addEventListener('click', (event) => {
  for (const menu of all('.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
});
// The theme's form leads back to this page.
for (const form of all('.themes')) {
  const back = Object.assign(document.createElement('input'), { type: 'hidden', name: 'back', value: location.pathname + location.search });
  form.append(back);
}

// A short name follows the name until somebody types one.
for (const slug of all('[data-slug-of]')) {
  const source = document.getElementById(slug.dataset.slugOf);
  let own = slug.value !== '';
  slug.addEventListener('input', () => { own = slug.value !== ''; });
  source?.addEventListener('input', () => {
    if (!own) slug.value = source.value.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 64);
  });
}

// Only the team field of the chosen scope shows.
const scopes = all('[data-shows]');
const showScope = () => {
  for (const scope of scopes) {
    const field = document.getElementById(scope.dataset.shows);
    if (field) field.hidden = !scope.checked;
  }
};
for (const scope of scopes) scope.addEventListener('change', showScope);
showScope();

// The date beside a lifetime shows when it is asked for.
for (const pair of all('.pair')) {
  const choice = pair.querySelector('select');
  const date = pair.querySelector('input[type=date]');
  const show = () => { date.hidden = choice.value !== 'date'; };
  choice.addEventListener('change', show);
  show();
}

// The summary of a form follows its fields: the server tells what it would store.
for (const form of all('form:has([data-summary])')) {
  const button = form.querySelector('[data-preview]');
  button.hidden = true;
  let latest = 0;
  const tell = async () => {
    latest += 1;
    const asked = latest;
    const fields = new URLSearchParams(new FormData(form));
    fields.set('preview', '1');
    const answer = await fetch(form.action, { method: 'POST', body: fields, credentials: 'same-origin' });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const told = page.querySelector('[data-summary]');
    if (!answer.ok || !told) throw new Error('no summary');
    if (asked === latest) form.querySelector('[data-summary]').replaceChildren(...told.childNodes);
  };
  form.addEventListener('change', () => tell().catch(() => { button.hidden = false; }));
}

// A form that must not be sent twice says that it is on its way.
for (const form of all('[data-once]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
    form.querySelector('.btn.primary')?.setAttribute('aria-busy', 'true');
  });
  addEventListener('pageshow', () => { delete form.dataset.sent; });
}

// A question opens over the page that it is asked on. Its form goes where its
// own page would send it; whatever goes wrong, that page opens instead.
const ask = async (link) => {
  const answer = await fetch(link.href, { credentials: 'same-origin' });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const title = page.querySelector('h1');
  const form = page.querySelector('main form');
  if (!answer.ok || answer.redirected || !title || !form) throw new Error('no question');
  const dialog = Object.assign(document.createElement('dialog'), { className: 'question' });
  const heading = Object.assign(document.createElement('h2'), { id: 'question', textContent: title.textContent });
  dialog.setAttribute('aria-labelledby', 'question');
  form.classList.remove('card');
  dialog.append(heading, form);
  document.body.append(dialog);
  form.querySelector('a.quiet')?.addEventListener('click', (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener('close', () => { dialog.remove(); link.focus(); });
  dialog.showModal();
};
for (const link of all('main a.danger[href*="/delete"], main a.danger[href*="/revoke"], main a.danger[href*="/remove"]')) {
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    ask(link).catch(() => { location.href = link.href; });
  });
}

// Copy.
const value = one('[data-value]');
const said = one('[data-said]');
let copied = false;
const copy = async () => {
  try {
    await navigator.clipboard.writeText(value.value);
    said.textContent = 'Copied to the clipboard';
    copied = true;
  } catch {
    // Plain http has no clipboard.
    value.type = 'text';
    value.focus();
    value.select();
    said.textContent = 'Selected. Press Ctrl+C (or ⌘C) to copy.';
  }
};
for (const button of all('[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', copy);
}
value?.addEventListener('copy', () => { copied = true; });

// The one-time reveal.
const dialog = one('[data-reveal]');
if (dialog) {
  dialog.close();
  dialog.showModal();
  one('#reveal-title').focus();
  const hide = one('[data-hide]');
  hide.hidden = false;
  hide.addEventListener('click', () => {
    const hidden = value.type === 'text';
    value.type = hidden ? 'password' : 'text';
    hide.querySelector('span').textContent = hidden ? 'Show' : 'Hide';
  });
  const env = one('[data-env]');
  env.hidden = false;
  env.addEventListener('click', () => {
    const file = URL.createObjectURL(new Blob([`TESSERA_TOKEN=${value.value}\n`], { type: 'text/plain' }));
    const name = env.dataset.env.replace(/[^A-Za-z0-9._-]+/g, '-') || 'tessera';
    Object.assign(document.createElement('a'), { href: file, download: `${name}.env` }).click();
    setTimeout(() => URL.revokeObjectURL(file), 1000);
    copied = true;
  });
  const ask = one('[data-ask]');
  const done = one('[data-done]');
  const leave = () => { copied = true; done.requestSubmit(); };
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  dialog.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    if (copied) return leave();
    ask.hidden = false;
    one('[data-stay]').focus();
  });
  one('[data-stay]').addEventListener('click', () => { ask.hidden = true; one('[data-copy]').focus(); });
  one('[data-leave]').addEventListener('click', leave);
  addEventListener('beforeunload', (event) => { if (!copied) event.preventDefault(); });
  addEventListener('pagehide', () => { value.value = ''; });
}
