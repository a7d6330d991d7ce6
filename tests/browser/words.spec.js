// The words of the pages: one name for each thing and one verb for each action, as ARCHITECTURE.md's glossary and
// docs/console.md have them.
import { expect, test } from '@playwright/test';
import { ACCOUNT, PAGES } from './pages.js';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

// Verbs that mean the same as one of ours, and words that the glossary does not have.
const UNKNOWN = /\b(rotate|renew|reset|deactivate|reactivate|suspend|destroy|erase|withdraw|unlink|narrowed|made by|ends on|stops on|works in|holds:|live tokens?|secret key|access key|machine user|service user|robot|rotation|credential key|role binding|workspace|tenant)\b/i;

// What each verb may be said of. A name of a row may stand in place of the noun: those names are in the demo.
const OBJECTS = {
  Regenerate: /^Regenerate( token| API key| for|$| \d+ | [a-z-]+$|\?)/,
  Revoke: /^Revoke( invitation| token| key| API key| secret| access token|$| \d+ | [a-z-]+$| this| other|\?)/,
  Disable: /^Disable( account| service account| service|$| \d+ | [a-z-]+$| this|\?)/,
  Enable: /^Enable( account| service account| service|$| \d+ | [a-z-]+$| this|\?)/,
  Extend: /^Extend( token| API key|$| \d+ |\?)/,
  Delete: /^Delete($| [^?]+\?$| token| service account| team| project| organization| permission set| service| identity provider| this| [A-Za-z -]+$|\?)/,
  Remove: /^Remove( the filter| [A-Z]|$| from| person| [a-z-]+$|\?)/,
};

test('the pages use the words of the glossary, and each verb for one thing', async ({ page }) => {
  test.setTimeout(180_000);
  await signIn(page, server, 'olive', DEMO);
  const base = `${server.url}/orgs/acme`;
  const all = [...PAGES.map(([, path]) => base + path), ...ACCOUNT.map(([, path]) => server.url + path)].filter((url) => !url.endsWith('/api/docs'));
  await page.goto(`${base}/settings/service-accounts`);
  const account = await page.getByRole('link', { name: 'ci-deploy', exact: true }).getAttribute('href');
  for (const tab of ['tokens', 'access', 'activity', 'settings', 'regenerate', 'delete']) all.push(server.url + account.replace(/tokens$/, tab));
  const wrong = new Set();
  const verbs = new Set();
  for (const url of all) {
    await page.goto(url);
    const texts = await page.evaluate(() => {
      const said = (element) => (element.getAttribute('aria-label') ?? element.textContent).replace(/\s+/g, ' ').trim();
      const all = [...document.querySelectorAll('h1, h2, h3, th, label, legend, button, summary, dt, .lede, .hint, main p, nav a, main a, [title]')];
      return all.map((element) => [element.matches('button, a, h1'), said(element)]).filter(([, text]) => text);
    });
    for (const [isAction, text] of texts) {
      const place = url.replace(server.url, '');
      // Names of the API stay as they are.
      const words = text.replace(/\/api\/\S+|self rotation/gi, '');
      if (UNKNOWN.test(words)) wrong.add(`${place}: ${words.match(UNKNOWN)[0]} in “${words.slice(0, 100)}”`);
      const verb = text.split(' ')[0];
      if (!isAction || !OBJECTS[verb]) continue;
      verbs.add(verb);
      if (!OBJECTS[verb].test(text)) wrong.add(`${place}: “${text}”`);
    }
  }
  expect([...wrong]).toEqual([]);
  // The check looks at something: each of these verbs is on some page.
  expect([...verbs].sort()).toEqual(['Delete', 'Disable', 'Enable', 'Extend', 'Regenerate', 'Remove', 'Revoke'].filter((verb) => verbs.has(verb)));
  for (const verb of ['Delete', 'Regenerate', 'Revoke', 'Remove']) expect(verbs).toContain(verb);
});

test('the same thing has the same name on every page', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  const base = `${server.url}/orgs/acme/settings`;
  await page.goto(`${base}/service-accounts`);
  await page.getByRole('link', { name: 'ci-deploy', exact: true }).click();
  await expect(page.getByRole('columnheader', { name: 'API key', exact: true })).toBeVisible();
  await page.goto(`${base}/teams/platform/api-token`);
  await expect(page.getByRole('heading', { name: 'Team API Token', exact: true })).toBeVisible();
  await page.goto(`${base}/api-token`);
  await expect(page.getByRole('heading', { name: 'Organization Tokens', exact: true })).toBeVisible();
  // The sidebar and the heading of a page agree, but where the manuals of others need their own words.
  await page.goto(`${base}/teams`);
  const links = await page.locator('.side nav a').evaluateAll((all) => all.map((link) => [link.textContent.trim(), link.href]));
  for (const [label, href] of links.filter(([label]) => !['Overview', 'API token'].includes(label))) {
    await page.goto(href);
    await expect(page.getByRole('heading', { level: 1 }), label).toContainText(label);
  }
});
