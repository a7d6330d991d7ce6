// What people come for, in few clicks.
import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO, api, signIn, take, whoami } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

// Clicks are counted from the overview on.
function counting(page) {
  let clicks = 0;
  return {
    async click(locator) {
      clicks += 1;
      await locator.click();
    },
    expectAtMost: (most) => expect(clicks).toBeLessThanOrEqual(most),
  };
}

test('what expires soon is found and regenerated with three clicks', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  const by = counting(page);
  await expect(page.getByRole('listitem').filter({ hasText: 'metrics-export API key expires' })).toBeVisible();
  await by.click(page.getByRole('link', { name: /^Regenerate\s+token for metrics-export/ }));
  await by.click(page.getByRole('button', { name: 'Regenerate token' }));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('API key for metrics-export');
  by.expectAtMost(3);
  const value = await page.getByLabel('API key', { exact: true }).inputValue();
  expect((await whoami(server, value)).status).toBe(200);
});

test('a leaked value is identified and revoked with three clicks', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/account/tokens/new`);
  await page.getByLabel('Name', { exact: true }).fill('leaked');
  await page.getByRole('button', { name: /Create|Generate/ }).click();
  const value = await take(page, 'Personal token');
  expect((await whoami(server, value)).status).toBe(200);
  await page.goto(`${server.url}/orgs/acme`);
  const by = counting(page);
  await by.click(page.getByLabel('Search the organization'));
  await page.keyboard.insertText(`found in a log: ${value}`);
  await page.keyboard.press('Enter');
  await expect(page.getByText('This is the current value. It works.')).toBeVisible();
  expect(page.url()).not.toContain(value);
  await by.click(page.getByRole('button', { name: 'Revoke now' }));
  await expect(page.getByRole('status')).toContainText('leaked is revoked');
  by.expectAtMost(3);
  expect((await whoami(server, value)).status).toBe(401);
  expect(server.log).not.toContain(value);
});

test('why an account was refused is two clicks away', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  const by = counting(page);
  await by.click(page.getByRole('link', { name: /^Review\s+ledger-sync/ }));
  await expect(page.getByText('Refused because the IP address is not allowed')).toBeVisible();
  by.expectAtMost(2);
});

test('the search opens with a key, shows what it finds, and leads there without a mouse', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  const found = page.locator('[data-found]');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('ci-de');
  await expect(found.getByRole('link', { name: /^ci-deploy/ })).toBeVisible();
  await expect(found.getByRole('link', { name: /^Regenerate token for ci-deploy/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(found).toBeHidden();
  await page.keyboard.type('p');
  await expect(found.getByRole('link', { name: /^ci-deploy/ })).toBeVisible();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(found.getByRole('link', { name: /^Regenerate token for ci-deploy/ })).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('ci-deploy');
  // A slash goes to the field, but not from another one.
  await page.keyboard.press('/');
  await expect(page.getByLabel('Search the organization')).toBeFocused();
});

test('without scripts the search leads to a page', async ({ browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await signIn(page, server, 'olive', DEMO);
  await page.getByLabel('Search the organization').fill('ledger');
  await page.getByLabel('Search the organization').press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Search');
  await expect(page.getByRole('main').getByRole('link', { name: /^ledger-sync/ })).toBeVisible();
  await context.close();
});

test('the calls of a program appear in its chart', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
  await page.getByRole('link', { name: 'Regenerate token for dashboards' }).click();
  await page.getByRole('button', { name: 'Regenerate token' }).click();
  const value = await page.getByLabel('API key', { exact: true }).inputValue();
  for (let call = 0; call < 5; call += 1) expect((await api(server, value, 'GET', '/whoami')).status).toBe(200);
  await page.getByRole('button', { name: 'Copy API key' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(async () => {
    await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
    const row = page.getByRole('row', { name: /dashboards/ });
    await expect(row.getByRole('img', { name: /^5 calls in 30 days/ })).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 15_000 });
});
