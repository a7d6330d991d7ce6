import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { setUp, signIn, whoami as ask } from './steps.js';

const whoami = (url, token) => ask({ url }, token);

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
