// What people do again and again.
import { expect } from '@playwright/test';

export const PASSWORD = 'seven quiet mosaics';
export const DEMO = 'demo mosaic lantern';

export async function setUp(page, server) {
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

export async function signIn(page, server, username = 'olive', password = PASSWORD) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('Email').fill(`${username}@acme.test`);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Acme Inc.');
}

// A link of the sidebar, which is folded on narrow screens.
export async function go(page, name) {
  await page.getByRole('navigation', { name: /Organization|Account/ }).getByRole('link', { name, exact: true }).click();
}

// The value on the page that shows it, and Done.
export async function take(page, what) {
  const value = await page.getByLabel(what, { exact: true }).inputValue();
  const [warned] = await Promise.all([
    Promise.resolve(),
    page.getByRole('button', { name: 'Done' }).click(),
  ]);
  void warned;
  return value;
}

export const whoami = (server, token) => fetch(`${server.url}/api/v1/whoami`, { headers: { Authorization: `Bearer ${token}` } });
export const api = (server, token, method, path, body) => fetch(`${server.url}/api/v1${path}`, {
  method,
  headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  body: body === undefined ? undefined : JSON.stringify(body),
});
