// Every component in every state: accessible in both themes, inside its width, visible with the colors of the system,
// and on paper without what cannot be used there.
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

test('every component is accessible and fits, in both themes', async ({ browser }) => {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 375, 320]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      const complaints = [];
      page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
      await page.goto(`${server.url}/styleguide`);
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((each) => `${each.id} ${each.nodes[0].html} ${each.nodes[0].failureSummary}`), `${colorScheme}, ${width}`).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      expect(complaints).toEqual([]);
      await context.close();
    }
  }
});

test('with the colors of the system, what is current or chosen can be seen', async ({ browser }) => {
  const context = await browser.newContext({ forcedColors: 'active' });
  const page = await context.newPage();
  const outlines = (selector) => page.locator(selector).evaluateAll((all) => all.map((one) => getComputedStyle(one).outlineStyle));
  await page.goto(`${server.url}/styleguide`);
  expect(await outlines('.choice:has(:checked), .snips input:checked + label')).toEqual(['solid', 'solid']);
  expect(await page.locator('.badge').first().evaluate((badge) => getComputedStyle(badge).borderTopStyle)).toBe('solid');
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
  expect(await outlines('.side [aria-current], .counters [aria-current]')).toEqual(['solid', 'solid']);
  await context.close();
});

test('a printed page has its content, and no navigation, filters or buttons', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
  await page.emulateMedia({ media: 'print' });
  for (const hidden of ['.top', '.side', '.filters', '.counters', 'td.act', 'td.pick']) {
    await expect(page.locator(hidden).first(), hidden).toBeHidden();
  }
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('link', { name: 'ci-deploy', exact: true })).toBeVisible();
});
