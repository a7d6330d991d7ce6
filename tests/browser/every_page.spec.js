// Every page, filled and empty and refused: accessible, inside its width, inside the policy.
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO } from './steps.js';

const PAGES = [
  ['overview', ''], ['tokens', '/settings/tokens'], ['tokens-expiring', '/settings/tokens?state=expiring'],
  ['teams', '/settings/teams'], ['teams-none', '/settings/teams?q=nothing'], ['team-new', '/settings/teams/new'],
  ['team-members', '/settings/teams/platform/members'], ['team-empty', '/settings/teams/incident/members'],
  ['team-accounts', '/settings/teams/platform/service-accounts'], ['team-projects', '/settings/teams/platform/projects'],
  ['team-token', '/settings/teams/platform/api-token'], ['team-token-none', '/settings/teams/data/api-token'],
  ['team-token-regenerate', '/settings/teams/platform/api-token/regenerate'], ['team-token-delete', '/settings/teams/platform/api-token/delete'],
  ['team-settings', '/settings/teams/platform/settings'], ['team-delete', '/settings/teams/platform/delete'],
  ['people', '/settings/people'], ['people-none', '/settings/people?q=nobody'], ['invite', '/settings/people/new'],
  ['person', '/settings/people/amir'], ['person-remove', '/settings/people/olive/remove'],
  ['accounts', '/settings/service-accounts'], ['accounts-none', '/settings/service-accounts?q=nothing'], ['account-new', '/settings/service-accounts/new'],
  ['service-tokens', '/settings/service-tokens'], ['service-tokens-all', '/settings/service-tokens?status=all'], ['service-tokens-none', '/settings/service-tokens?q=nothing'], ['service-token-new', '/settings/service-tokens/new'],
  ['service-tokens-revoke-none', '/settings/service-tokens/revoke'],
  ['api-token', '/settings/api-token'], ['api-token-regenerate', '/settings/api-token/regenerate'],
  ['projects', '/settings/projects'], ['projects-none', '/settings/projects?q=nothing'], ['project-new', '/settings/projects/new'],
  ['project-access', '/settings/projects/ledger/access'], ['project-access-open', '/settings/projects/search/access'], ['project-settings', '/settings/projects/storefront/settings'], ['project-delete', '/settings/projects/storefront/delete'],
  ['sets', '/settings/permission-sets'], ['set', '/settings/permission-sets/admin'], ['set-own', '/settings/permission-sets/release_manager'], ['set-new', '/settings/permission-sets/new?from=developer'], ['set-edit', '/settings/permission-sets/release_manager/edit'], ['set-delete', '/settings/permission-sets/release_manager/delete'],
  ['explorer', '/settings/access-explorer'], ['explorer-answer', '/settings/access-explorer?who=person:bea&what=&where=ledger'], ['explorer-422', '/settings/access-explorer?who=person:nobody'],
  ['services', '/settings/services'], ['services-none', '/settings/services?q=nothing'], ['service-new', '/settings/services/new'],
  ['providers', '/settings/identity-providers'], ['provider-new', '/settings/identity-providers/new'],
  ['general', '/settings/general'], ['organization-delete', '/settings/general/delete'],
  ['audit-log', '/settings/audit-log'], ['audit-log-none', '/settings/audit-log?actor=nobody-at-all'], ['audit-log-422', '/settings/audit-log?from=soon'],
  ['nowhere', '/settings/nothing-here'],
];
const ACCOUNT = [['profile', '/account/profile'], ['password', '/account/password'], ['sessions', '/account/sessions'], ['personal-tokens', '/account/tokens'], ['personal-token-new', '/account/tokens/new'], ['organization-new', '/orgs/new']];
// Forms that are sent as they are, and come back with mistakes.
const REFUSED = [
  ['team-new-422', '/settings/teams/new', 'Create'], ['account-new-422', '/settings/service-accounts/new', 'Create'], ['service-token-new-422', '/settings/service-tokens/new', 'Create'],
  ['project-new-422', '/settings/projects/new', 'Create'], ['set-new-422', '/settings/permission-sets/new', 'Create'], ['service-new-422', '/settings/services/new', 'Create'],
  ['provider-new-422', '/settings/identity-providers/new', 'Create'], ['team-delete-422', '/settings/teams/platform/delete', 'Delete team'],
];

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

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
        if ((await page.title()) === '' || (await page.locator('h1').count()) !== 1) wrong.push(`${name}: a title and one h1`);
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
      await look('account-delete');
      await page.goto(`${base}/settings/service-tokens`);
      await page.getByRole('link', { name: 'warehouse-sync', exact: true }).click();
      await look('service-token');
      await page.goto(`${base}/settings/service-tokens`);
      await page.getByRole('link', { name: 'Delete warehouse-sync' }).click();
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
      await expect(page.getByText('Not copied yet.')).toBeVisible();
      await look('reveal-ask');
      await page.getByRole('button', { name: 'Close without copying' }).click();
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Service accounts');
      expect(wrong).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    });
  }
}
