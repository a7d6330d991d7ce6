import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { start } from './server.js';

const PASSWORD = 'seven quiet mosaics';
const whoami = (url, token) => fetch(`${url}/api/v1/whoami`, { headers: { Authorization: `Bearer ${token}` } });

async function setUp(page, server) {
  await page.goto(server.setup);
  await page.getByLabel('Organization name').fill('Acme Inc.');
  await page.getByLabel('Short name').fill('acme');
  await page.getByLabel('Your name').fill('Olive Owner');
  await page.getByLabel('Username').fill('olive');
  await page.getByLabel('Email').fill('olive@acme.test');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
}

async function signIn(page, server) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('Email').fill('olive@acme.test');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`with JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, () => {
    test.use({ javaScriptEnabled });
    let server;
    test.beforeAll(async () => { server = await start(); });
    test.afterAll(() => server.stop());

    test('the main job is done from set-up to a deleted account', async ({ page, context }) => {
      const addresses = [];
      page.on('request', (request) => addresses.push(request.url()));
      await setUp(page, server);

      // Out and in again.
      await page.locator('.me summary').click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await signIn(page, server);

      await page.getByRole('link', { name: 'Teams', exact: true }).click();
      await page.getByRole('link', { name: 'New team' }).click();
      await page.getByLabel('Name', { exact: true }).fill('Platform');
      await page.getByLabel('Short name').fill('platform');
      await page.getByRole('button', { name: 'Create' }).click();
      await expect(page.getByRole('status')).toContainText('Platform');

      await page.getByRole('link', { name: 'Service accounts', exact: true }).first().click();
      await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
      await page.getByRole('link', { name: 'New service account' }).click();
      await page.getByLabel('Name', { exact: true }).fill('ci-deploy');
      await page.getByLabel('Default team').selectOption('platform');
      await page.getByRole('button', { name: 'Create' }).click();

      const field = page.getByLabel('API key', { exact: true });
      const first = await field.inputValue();
      expect(first).toMatch(/^tsra_[0-9A-Za-z]{36}$/);
      if (javaScriptEnabled) {
        await context.grantPermissions(['clipboard-read', 'clipboard-write']);
        await page.getByRole('button', { name: 'Copy API key' }).click();
        await expect(page.getByText('Copied to the clipboard')).toBeVisible();
        expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(first);
      }
      const answer = await whoami(server.url, first);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ kind: 'service_account', name: 'ci-deploy', organization: 'acme', default_team: 'platform' });

      await page.getByRole('button', { name: 'Done' }).click();
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Service accounts');

      // Back does not bring the value back.
      await page.goBack();
      await expect(page.locator('body')).not.toContainText(first);
      expect(await page.content()).not.toContain(first);
      await expect(page.getByText('This value was shown once.')).toBeVisible();
      await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);

      await page.getByRole('link', { name: 'Regenerate token for ci-deploy' }).click();
      await page.getByRole('button', { name: 'Regenerate token' }).click();
      const second = await page.getByLabel('API key', { exact: true }).inputValue();
      expect(second).not.toBe(first);
      expect((await whoami(server.url, first)).status).toBe(401);
      expect((await whoami(server.url, second)).status).toBe(200);
      await page.reload();
      await expect(page.getByText('This value was shown once.')).toBeVisible();
      await page.getByRole('button', { name: 'Done' }).click();

      await page.getByRole('link', { name: 'Edit ci-deploy' }).click();
      await page.getByRole('button', { name: 'Disable' }).click();
      expect((await whoami(server.url, second)).status).toBe(401);
      await page.getByRole('button', { name: 'Enable' }).click();
      expect((await whoami(server.url, second)).status).toBe(200);

      await page.goto(`${server.url}/orgs/acme/settings/service-accounts`);
      await page.getByRole('link', { name: 'Delete ci-deploy' }).click();
      await page.getByLabel('Type ci-deploy to confirm').fill('something else');
      await page.getByRole('button', { name: 'Delete service account' }).click();
      await expect(page).toHaveTitle(/^Error:/);
      await page.getByLabel('Type ci-deploy to confirm').fill('ci-deploy');
      await page.getByRole('button', { name: 'Delete service account' }).click();
      await expect(page.getByRole('status')).toContainText('ci-deploy is deleted');
      expect((await whoami(server.url, second)).status).toBe(401);

      // The values are nowhere but on their pages.
      for (const secret of [first, second]) {
        expect(addresses.some((address) => address.includes(secret))).toBe(false);
        expect(server.log.includes(secret)).toBe(false);
        for (const bytes of server.files()) expect(bytes.includes(secret)).toBe(false);
      }
    });

    test('a person joins by the link of an invitation', async ({ page, browser }) => {
      await signIn(page, server);
      await page.goto(`${server.url}/orgs/acme/settings/people`);
      await page.getByRole('link', { name: 'Invite person' }).click();
      await page.getByRole('button', { name: 'Create' }).click();
      const link = await page.getByLabel('Invitation link').inputValue();
      const guest = await (await browser.newContext({ javaScriptEnabled })).newPage();
      await guest.goto(link);
      await guest.getByLabel('Your name').fill('Bea <b>Lindqvist</b>');
      await guest.getByLabel('Username').fill('bea');
      await guest.getByLabel('Email').fill('bea@acme.test');
      await guest.getByLabel('Password').fill('nine loud lanterns');
      await guest.getByRole('button', { name: 'Join' }).click();
      await expect(guest.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
      // A plain member is not offered what they may not do.
      await guest.goto(`${server.url}/orgs/acme/settings/teams`);
      await expect(guest.getByRole('link', { name: 'New team' })).toHaveCount(0);
      await guest.goto(link);
      await expect(guest.getByRole('heading', { level: 1 })).toHaveText('Not found');
      await page.goto(`${server.url}/orgs/acme/settings/people`);
      await expect(page.getByText('Bea <b>Lindqvist</b>')).toBeVisible();
    });
  });
}

test.describe('every page', () => {
  let server;
  test.beforeAll(async () => { server = await start(['--demo']); });
  test.afterAll(() => server.stop());

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 375]) {
      test(`is accessible, fits, and obeys the policy: ${colorScheme}, ${width} wide`, async ({ browser }) => {
        test.setTimeout(180_000);
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
        const page = await context.newPage();
        const complaints = [];
        page.on('console', (message) => {
          // The pages that are looked at with a refused form answer 422 and 410 by design.
          if (message.type() === 'error' && !/status of 4(22|10|04)/.test(message.text())) complaints.push(message.text());
        });
        const shots = process.env.SHOTS;
        const look = async (name) => {
          const { violations } = await new AxeBuilder({ page }).analyze();
          expect(violations.map((each) => `${name}: ${each.id} ${each.nodes[0].html} ${each.nodes[0].failureSummary}`)).toEqual([]);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          expect(over, `${name} scrolls sideways`).toBeLessThanOrEqual(0);
          if (shots) await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png` });
        };
        await page.goto(`${server.url}/sign-in`);
        await look('sign-in');
        const [, email, password] = server.demo.match(/as (\S+) with password (.*)$/);
        await page.getByLabel('Email').fill(email);
        await page.getByLabel('Password').fill('not the password');
        await page.getByRole('button', { name: 'Sign in' }).click();
        await look('sign-in-422');
        await page.getByLabel('Password').fill(password);
        await page.getByRole('button', { name: 'Sign in' }).click();
        await look('overview');
        const settings = `${server.url}/orgs/acme/settings`;
        for (const [name, path] of [['teams', '/teams'], ['teams-none', '/teams?q=nothing'], ['team-new', '/teams/new'], ['team-members', '/teams/platform/members'], ['team-empty', '/teams/incident/members'], ['team-settings', '/teams/platform/settings'], ['team-delete', '/teams/platform/delete'], ['people', '/people'], ['invite', '/people/new'], ['accounts', '/service-accounts'], ['accounts-none', '/service-accounts?q=nothing'], ['account-new', '/service-accounts/new'], ['nowhere', '/nothing-here']]) {
          await page.goto(settings + path);
          await look(name);
        }
        await page.goto(`${settings}/teams/platform/delete`);
        await page.getByLabel('Type Platform').fill('Platform');
        await page.getByRole('button', { name: 'Delete team' }).click();
        await look('team-delete-409');
        await page.goto(`${settings}/service-accounts/new`);
        await page.getByLabel('Name', { exact: true }).fill('ci-deploy');
        await page.getByRole('button', { name: 'Create' }).click();
        await look('account-new-422');
        await page.goto(`${settings}/service-accounts`);
        await page.getByRole('link', { name: 'ci-deploy', exact: true }).click();
        await look('account-tokens');
        await page.getByRole('link', { name: 'Settings', exact: true }).click();
        await look('account-settings');
        await page.goto(`${settings}/service-accounts`);
        await page.getByRole('link', { name: 'Delete ci-deploy' }).click();
        await look('account-delete');
        await page.goto(`${settings}/service-accounts`);
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
        expect(complaints).toEqual([]);
        await context.close();
      });
    }
  }
});
