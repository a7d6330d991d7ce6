// The audit log's export, as a browser downloads it: compressed on the way, and whole.
import { readFileSync } from 'node:fs';

import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

test('the audit log is downloaded whole, as CSV and as JSON lines', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/audit-log`);
  const lengths = [];
  for (const [name, ending] of [['CSV', 'csv'], ['JSON lines', 'jsonl']]) {
    const link = page.getByRole('link', { name, exact: true });
    const address = new URL(await link.getAttribute('href'), page.url()).href;
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    expect(await download.failure()).toBe(null);
    expect(download.suggestedFilename()).toBe(`audit-log-acme.${ending}`);
    const text = readFileSync(await download.path(), 'utf8');
    // The same without compression, on another connection.
    const cookies = (await page.context().cookies()).map((cookie) => `${cookie.name}=${cookie.value}`).join('; ');
    const plain = await fetch(address, { headers: { Cookie: cookies, 'Accept-Encoding': 'identity' } });
    expect(text).toBe(await plain.text());
    lengths.push(text.trimEnd().split('\n').length);
  }
  // Each event is a line; CSV has a heading, and the demo no line breaks in names.
  expect(lengths[0]).toBe(lengths[1] + 1);
  expect(lengths[1]).toBeGreaterThan(20);
});

test('the filters take a day and a time of day', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/audit-log`);
  await page.getByLabel('From (UTC)').fill('2020-01-01T10:30');
  await page.getByLabel('Until (UTC)').fill('2099-01-01T10:30');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page.getByLabel('From (UTC)')).toHaveValue('2020-01-01T10:30');
  await expect(page.locator('main .entry')).not.toHaveCount(0);
  await page.getByLabel('Until (UTC)').fill('2019-01-01T10:30');
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page.getByRole('alert')).toContainText('Enter an end that is not before the start.');
  await expect(page.getByLabel('Until (UTC)')).toHaveValue('2019-01-01T10:30');
});
