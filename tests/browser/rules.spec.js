// What a page must keep, whoever clicks.
import { expect, test } from '@playwright/test';
import { start } from './server.js';
import { DEMO, go, signIn, take, whoami } from './steps.js';

let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());
const at = (path) => `${server.url}/orgs/acme/settings${path}`;

test('two people edit one project: the second is told what changed, and nothing is lost', async ({ page, browser }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/projects/search/settings'));
  await page.getByLabel('Name', { exact: true }).fill('Finder');
  const other = await (await browser.newContext()).newPage();
  await signIn(other, server, 'amir', DEMO);
  await other.goto(at('/projects/search/settings'));
  await other.getByLabel('Name', { exact: true }).fill('Search and find');
  await other.getByRole('button', { name: 'Save changes' }).click();
  await expect(other.getByRole('status')).toContainText('saved');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByText('it is now “Search and find”')).toBeVisible();
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('Finder');
});

test('making a project restricted says who loses it, and takes a confirmation', async ({ page }) => {
  await signIn(page, server, 'bea', DEMO);
  await page.goto(at('/projects/payments/settings'));
  await page.getByRole('radio', { name: /^Restricted/ }).check();
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByText('The team Payments: 1 person, its API token and 1 service account.')).toBeVisible();
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByRole('status')).toContainText('Payments saved');
  await page.getByRole('link', { name: 'Access', exact: true }).click();
  await expect(page.getByRole('row', { name: /Bea Lindqvist/ })).toContainText('admin');
});

test('changing a permission set shows first who gains and loses what', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/permission-sets/release_manager/edit'));
  await page.getByLabel('develop', { exact: true }).selectOption('develop:write');
  await page.getByLabel('jobs', { exact: true }).selectOption('');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByText('It is used by 1 grant')).toBeVisible();
  await expect(page.getByText('develop:write')).toBeVisible();
  await expect(page.getByText('jobs:read')).toBeVisible();
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByRole('status')).toContainText('saved');
});

test('several service tokens are revoked at once, after one question', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/service-tokens'));
  await page.getByLabel('Select warehouse-sync').check();
  await page.getByLabel('Select bi-dashboards').check();
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 2 tokens?');
  await page.getByRole('button', { name: 'Revoke 2 tokens' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('2 tokens were revoked');
  await page.getByRole('link', { name: 'Done' }).click();
  await expect(page.getByRole('link', { name: 'warehouse-sync', exact: true })).toHaveCount(0);
});

test('a removed person loses the organization, and what they made is handed over', async ({ page, browser }) => {
  const dana = await (await browser.newContext()).newPage();
  await signIn(dana, server, 'dana', DEMO);
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/people/dana'));
  await page.getByRole('link', { name: 'Remove' }).first().click();
  await page.getByRole('button', { name: 'Remove person' }).click();
  await expect(page.getByRole('status')).toContainText('Dana Okafor is removed');
  expect((await dana.goto(at('/people'))).status()).toBe(404);
});

test('a personal token is made, shown once, and deleted; the password changes', async ({ page }) => {
  await signIn(page, server, 'eli', DEMO);
  await page.goto(`${server.url}/account/tokens`);
  await page.getByRole('link', { name: 'New token' }).click();
  await page.getByLabel('Name', { exact: true }).fill('laptop');
  await page.getByRole('button', { name: 'Create' }).click();
  const token = await take(page, 'Personal token');
  expect(await (await whoami(server, token)).json()).toMatchObject({ kind: 'person', name: 'Eli Marsh' });
  await page.getByRole('link', { name: 'Delete laptop' }).click();
  await page.getByRole('button', { name: 'Delete token' }).click();
  expect((await whoami(server, token)).status).toBe(401);
  await go(page, 'Password');
  await page.getByLabel('Current password').fill('not my password at all');
  await page.getByLabel('New password').fill('eleven slow carousels');
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByRole('link', { name: 'The one that you entered is wrong' })).toBeVisible();
  await page.getByLabel('Current password').fill(DEMO);
  await page.getByLabel('New password').fill('eleven slow carousels');
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByRole('status')).toContainText('Your password is changed');
});

test('hostile names are text on every page', async ({ page }) => {
  const complaints = [];
  page.on('console', (message) => { if (/Content Security Policy|Refused/.test(message.text())) complaints.push(message.text()); });
  page.on('dialog', (dialog) => { if (dialog.type() !== 'beforeunload') complaints.push(dialog.message()); dialog.accept(); });
  await signIn(page, server, 'olive', DEMO);
  const name = `"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}'`;
  await page.goto(at('/teams/new'));
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Short name').fill('hostile');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.goto(at('/projects/new'));
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Short name').fill('hostile');
  await page.getByLabel('Team', { exact: true }).selectOption('hostile');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.goto(at('/service-tokens/new'));
  await page.getByLabel('Name', { exact: true }).fill(name);
  const one = page.getByRole('group', { name: 'Permission 1' });
  await one.getByLabel('Permission set').selectOption('job_viewer');
  await one.getByLabel('Selected projects').check();
  await one.getByLabel(name, { exact: true }).check();
  await page.getByRole('button', { name: 'Create' }).click();
  await take(page, 'Service token');
  for (const path of ['/teams', '/teams/hostile/members', '/teams/hostile/api-token', '/teams/hostile/projects', '/projects', '/projects/hostile/access', '/projects/hostile/delete', '/service-tokens', '/audit-log', '/access-explorer?who=team:hostile&what=&where=hostile', '/tokens']) {
    await page.goto(at(path));
    await expect(page.getByText(name).first()).toBeAttached();
  }
  expect(complaints).toEqual([]);
});

test('the summary of a service token follows its fields', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/service-tokens/new'));
  await expect(page.getByText('Choose a permission set to see what this token can do.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Update summary' })).toBeHidden();
  await page.getByLabel('Name', { exact: true }).fill('deploy');
  const one = page.getByRole('group', { name: 'Permission 1' });
  await one.getByLabel('Permission set').selectOption('job_viewer');
  await expect(page.getByText('This token can act as Job Viewer in all projects.')).toBeVisible();
  await one.getByLabel('Selected projects').check();
  await expect(page.getByText('This token can act as Job Viewer in no project yet.')).toBeVisible();
  await one.getByLabel('Payments', { exact: true }).check();
  await expect(page.getByText('This token can act as Job Viewer in Payments.')).toBeVisible();
  await one.getByLabel('Permission set').selectOption('account_admin');
  await expect(page.getByText('It can manage the whole organization')).toBeVisible();
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('deploy');
});

test('the summary of a service token is told without scripts, too', async ({ browser }) => {
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/service-tokens/new'));
  await page.getByRole('group', { name: 'Permission 1' }).getByLabel('Permission set').selectOption('job_viewer');
  await page.getByRole('button', { name: 'Update summary' }).click();
  await expect(page.getByText('This token can act as Job Viewer in all projects.')).toBeVisible();
});

test('a token is made, taken and revoked by keyboard alone', async ({ page }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/service-tokens/new'));
  const to = async (what) => {
    for (let presses = 0; presses < 80; presses += 1) {
      if (await what.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error('cannot be reached by keyboard');
  };
  await to(page.getByLabel('Name', { exact: true }));
  await page.keyboard.type('by-keyboard');
  await to(page.getByRole('group', { name: 'Permission 1' }).getByLabel('Permission set'));
  await page.keyboard.type('Job Viewer');
  await to(page.getByLabel('Description'));
  // Enter creates.
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Service token', { exact: true })).toBeVisible();
  await to(page.getByRole('button', { name: 'Done' }));
  page.once('dialog', (dialog) => dialog.accept());
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Service tokens');
  await to(page.getByRole('link', { name: 'Delete by-keyboard' }));
  await page.keyboard.press('Enter');
  await to(page.getByRole('button', { name: 'Delete token' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('status')).toContainText('by-keyboard is deleted');
});

test('a question opens over its page; Cancel and Escape give the focus back; without a script it is a page', async ({ page, browser }) => {
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/service-accounts'));
  const link = page.getByRole('link', { name: 'Delete dashboards' });
  await link.click();
  const dialog = page.getByRole('dialog', { name: 'Delete dashboards?' });
  await expect(dialog.getByLabel('Type dashboards to confirm')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await expect(link).toBeFocused();
  await link.click();
  await dialog.getByRole('link', { name: 'Cancel' }).click();
  await expect(link).toBeFocused();
  await link.click();
  await dialog.getByLabel('Type dashboards to confirm').fill('something else');
  await dialog.getByRole('button', { name: 'Delete service account' }).click();
  await expect(page).toHaveTitle(/^Error:/);
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await signIn(plain, server, 'olive', DEMO);
  await plain.goto(at('/service-accounts'));
  await plain.getByRole('link', { name: 'Delete dashboards' }).click();
  await expect(plain.getByRole('heading', { level: 1 })).toHaveText('Delete dashboards?');
});

test('a page asks for five things at most when nothing is known yet', async ({ browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await signIn(page, server, 'olive', DEMO);
  const cookies = await context.cookies();
  const fresh = await browser.newContext();
  await fresh.addCookies(cookies);
  const cold = await fresh.newPage();
  const asked = [];
  cold.on('request', (request) => asked.push(request.url()));
  await cold.goto(at('/service-accounts'), { waitUntil: 'networkidle' });
  expect(asked.length, asked.join(' ')).toBeLessThanOrEqual(5);
});

test('times are in the time zone of the reader, and ids can be copied', async ({ browser }) => {
  const context = await browser.newContext({ timezoneId: 'Asia/Tokyo', locale: 'en-GB' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  await signIn(page, server, 'olive', DEMO);
  await page.goto(at('/audit-log'));
  await expect(page.locator('main time').first()).toHaveAttribute('title', /\(Asia\/Tokyo\)$/);
  await page.goto(at('/service-accounts'));
  await page.getByRole('link', { name: 'ci-deploy', exact: true }).click();
  const copy = page.getByRole('button', { name: 'Copy UID' });
  await copy.click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await page.getByText(/^sa_/).textContent());
  await context.close();

  const plain = await browser.newContext({ javaScriptEnabled: false });
  const still = await plain.newPage();
  await signIn(still, server, 'olive', DEMO);
  await still.goto(at('/audit-log'));
  await expect(still.locator('main time').first()).toHaveAttribute('title', /UTC$/);
  await plain.close();
});
