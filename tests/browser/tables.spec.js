// Tables on windows of several widths.
import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());
const at = (path) => `${server.url}/orgs/acme/settings${path}`;

test('a table that hides a column hides its head and its cells', async ({ browser }) => {
  for (const width of [1024, 900, 768]) {
    const context = await browser.newContext({ viewport: { width, height: 900 } });
    const page = await context.newPage();
    await signIn(page, server, 'olive', DEMO);
    for (const path of ['/service-accounts', '/people', '/service-tokens', '/teams', '/projects', '/services', '/tokens']) {
      await page.goto(at(path));
      const wrong = await page.locator('main table').evaluateAll((tables) => {
        const shown = (cells) => [...cells].filter((cell) => getComputedStyle(cell).display !== 'none').length;
        return tables
          .filter((table) => getComputedStyle(table.tHead).display !== 'none' && table.tBodies[0].rows.length > 0)
          .map((table) => [table.caption.textContent, shown(table.tHead.rows[0].cells), shown(table.tBodies[0].rows[0].cells)])
          .filter(([, heads, cells]) => heads !== cells);
      });
      expect(wrong, `${path} at ${width}`).toEqual([]);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(over, `${path} at ${width} scrolls sideways`).toBeLessThanOrEqual(0);
    }
    await context.close();
  }
});
