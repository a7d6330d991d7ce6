// Every page, filled and empty and refused: accessible, inside its width, inside the policy.
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { ACCOUNT, PAGES, REFUSED } from './pages.js';
import { start } from './server.js';
import { DEMO, setUp } from './steps.js';

// The four looks share nothing: each worker starts its own programs.
test.describe.configure({ mode: 'parallel' });

let server;
let bare;
test.beforeAll(async () => { [server, bare] = [await start(['--demo']), await start()]; });
test.afterAll(() => Promise.all([server.stop(), bare.stop()]));
const EMPTY = ['', '/settings/tokens', '/settings/teams', '/settings/people', '/settings/service-accounts', '/settings/service-tokens', '/settings/projects', '/settings/services', '/settings/identity-providers', '/settings/api-token', '/settings/teams/owners/projects', '/settings/teams/owners/service-accounts'];

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 375]) {
    test(`every page is accessible, fits, and obeys the policy: ${colorScheme}, ${width} wide`, async ({ browser }) => {
      test.setTimeout(420_000);
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      const complaints = [];
      page.on('console', (message) => {
        // Refused forms answer 422 and 409, a value that was shown 410, by design.
        if (message.type() === 'error' && !/status of 4(22|10|04|09)/.test(message.text())) complaints.push(`${page.url()} ${message.text()}`);
      });
      const shots = process.env.SHOTS;
      const wrong = [];
      const look = async (name) => {
        const { violations } = await new AxeBuilder({ page }).analyze();
        for (const each of violations) wrong.push(`${name}: ${each.id} ${each.nodes[0].html} ${each.nodes[0].failureSummary}`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) wrong.push(`${name} scrolls sideways by ${over}`);
        // What is behind a dialog is not there for those who read the page.
        const headings = await page.getByRole('heading', { level: 1 }).count();
        if ((await page.title()) === '' || headings !== 1) wrong.push(`${name}: a title and one h1`);
        if (shots) await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      };
      await page.goto(`${server.url}/sign-in`);
      await look('sign-in');
      await page.getByLabel('Email').fill('olive@acme.test');
      await page.getByLabel('Password').fill('not the password');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await look('sign-in-422');
      await page.getByLabel('Password').fill(DEMO);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
      const base = `${server.url}/orgs/acme`;
      for (const [name, path] of PAGES) {
        await page.goto(base + path);
        await look(name);
      }
      for (const [name, path] of ACCOUNT) {
        await page.goto(server.url + path);
        await look(name);
      }
      for (const [name, path, button] of REFUSED) {
        await page.goto(base + path);
        await page.locator('main form').evaluateAll((forms) => forms.forEach((form) => { form.noValidate = true; }));
        await page.locator('main').getByRole('button', { name: button, exact: true }).click();
        await expect(page).toHaveTitle(/^Error:/);
        await look(name);
      }
      await page.goto(`${base}/settings/service-accounts`);
      await page.getByRole('link', { name: 'ci-deploy', exact: true }).click();
      await look('account-tokens');
      for (const tab of ['Access', 'Activity', 'Settings']) {
        await page.getByRole('navigation', { name: 'Service account' }).getByRole('link', { name: tab, exact: true }).click();
        await look(`account-${tab.toLowerCase()}`);
      }
      await page.goto(`${base}/settings/service-accounts`);
      await page.getByRole('link', { name: 'Delete ci-deploy' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
      await look('account-delete-dialog');
      await page.goto(await page.locator('dialog form').evaluate((form) => form.action));
      await look('account-delete');
      await page.goto(`${base}/settings/service-tokens`);
      await page.getByRole('link', { name: 'warehouse-sync', exact: true }).click();
      await look('service-token');
      await page.goto(`${base}/settings/service-tokens`);
      await page.goto(await page.getByRole('link', { name: 'Delete warehouse-sync' }).getAttribute('href').then((path) => server.url + path));
      await look('service-token-revoke');
      await page.goto(`${base}/settings/services`);
      await page.getByRole('link', { name: 'State backend', exact: true }).click();
      await look('service');
      await page.goto(`${base}/settings/projects/storefront/settings`);
      await page.getByRole('radio', { name: /^Restricted/ }).check();
      await page.getByRole('button', { name: 'Save changes' }).click();
      await look('project-confirm');
      await page.goto(`${base}/settings/permission-sets/release_manager/edit`);
      await page.getByLabel('develop', { exact: true }).selectOption('develop:write');
      await page.getByRole('button', { name: 'Save changes' }).click();
      await look('set-preview');
      await page.goto(`${base}/settings/service-accounts`);
      await page.getByRole('link', { name: 'Regenerate token for edge-cache' }).click();
      await look('regenerate');
      await page.getByRole('button', { name: 'Regenerate token' }).click();
      await look('reveal');
      await page.getByRole('button', { name: 'Hide' }).click();
      await page.keyboard.press('Escape');
      await expect(page.getByText('You have not copied the value.')).toBeVisible();
      await look('reveal-ask');
      await page.getByRole('button', { name: 'Close without copying' }).click();
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Service accounts');
      // The same lists where there is nothing yet: in the first run, set up; afterwards, signed in.
      await page.goto(`${bare.url}/sign-in`);
      if (page.url().includes('/setup')) {
        await look('setup');
        await setUp(page, bare);
      } else {
        await page.getByLabel('Email').fill('olive@acme.test');
        await page.getByLabel('Password').fill('seven quiet mosaics');
        await page.getByRole('button', { name: 'Sign in' }).click();
        await expect(page.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
      }
      for (const path of EMPTY) {
        await page.goto(`${bare.url}/orgs/acme${path}`);
        await look(`empty${path.replaceAll('/', '-')}`);
      }
      expect(wrong).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    });
  }
}
