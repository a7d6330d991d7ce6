// Every page on windows from 320 to 1920 pixels, as an owner and as a plain member: nothing scrolls sideways, and
// nothing that can be used is cut off.
import { expect, test } from '@playwright/test';
import { ACCOUNT, PAGES } from './pages.js';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

const WIDTHS = [1920, 1280, 1024, 768, 375, 320];

test.describe.configure({ mode: 'parallel' });

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

// What lies outside of the window, and text of a control that is cut off without an ellipsis.
const faults = () => {
  const seen = [];
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) seen.push(`scrolls sideways by ${over}`);
  for (const element of document.querySelectorAll('a, button, input, select, textarea, summary, th, td, h1, h2')) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest('.vh, .skip') || element.matches('.skip')) continue;
    // What scrolls by itself can be reached.
    if (element.closest('.counters, .tabs, pre')) continue;
    if (box.right > innerWidth + 1 || box.left < -1) seen.push(`outside: ${element.outerHTML.slice(0, 100)}`);
    const style = getComputedStyle(element);
    const isControl = element.matches('button, summary, .btn');
    if (isControl && element.scrollWidth > element.clientWidth + 1 && style.overflowX !== 'visible') {
      seen.push(`cut off: ${element.outerHTML.slice(0, 100)}`);
    }
  }
  return seen.slice(0, 5);
};

for (const [role, username] of [['an owner', 'olive'], ['a plain member', 'dana']]) {
  test(`every page fits into windows from 320 to 1920 pixels for ${role}`, async ({ browser }) => {
    test.setTimeout(300_000);
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    await signIn(page, server, username, DEMO);
    const base = `${server.url}/orgs/acme`;
    const all = [...PAGES.map(([name, path]) => [name, base + path]), ...ACCOUNT.map(([name, path]) => [name, server.url + path])];
    await page.goto(`${base}/settings/service-accounts`);
    const account = page.locator('main td a.name').first();
    if (await account.count()) {
      const path = (await account.getAttribute('href')).replace(/\/tokens$/, '');
      for (const tab of ['tokens', 'access', 'activity', 'settings', 'regenerate', 'delete']) all.push([`account-${tab}`, `${server.url}${path}/${tab}`]);
    }
    if (username === 'olive') {
      for (const [list, actions] of [['service-accounts', ['disable']], ['service-tokens', ['regenerate', 'extend', 'revoke']]]) {
        await page.goto(`${base}/settings/${list}`);
        const ids = await page.locator('td.pick input').evaluateAll((boxes) => boxes.map((box) => `${box.name}=${box.value}`));
        for (const action of actions) all.push([`${list}-${action}`, `${base}/settings/${list}/selected?do=${action}&${ids.join('&')}`]);
      }
      await page.goto(`${base}/settings/services`);
      all.push(['service', server.url + await page.getByRole('link', { name: 'State backend', exact: true }).getAttribute('href')]);
    }
    const wrong = [];
    for (const [name, url] of all) {
      await page.goto(url);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        for (const fault of await page.evaluate(faults)) wrong.push(`${name} at ${width}: ${fault}`);
      }
    }
    expect(wrong).toEqual([]);
    await context.close();
  });
}

test('new values of several tokens fit into every window', async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/service-tokens`);
  await page.getByLabel('Select all on this page').check();
  await page.getByRole('button', { name: 'Regenerate', exact: true }).click();
  await page.getByRole('button', { name: /^Regenerate \d+ tokens$/ }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('were regenerated');
  const wrong = [];
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    for (const fault of await page.evaluate(faults)) wrong.push(`${width}: ${fault}`);
  }
  expect(wrong).toEqual([]);
  await context.close();
});
