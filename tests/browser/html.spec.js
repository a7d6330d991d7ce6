// Every page as the Nu HTML checker sees it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { ACCOUNT, PAGES, REFUSED } from './pages.js';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

const vnu = createRequire(import.meta.url)('vnu-jar');
let server;
test.beforeAll(async () => { server = await start(['--demo']); });
test.afterAll(() => server.stop());

test('the Nu HTML checker finds no error on any page', async ({ page }) => {
  test.setTimeout(180_000);
  const folder = mkdtempSync(join(tmpdir(), 'tessera-html-'));
  const save = async (name, answer) => writeFileSync(join(folder, `${name}.html`), await answer.text());
  await save('sign-in', await page.request.get(`${server.url}/sign-in`));
  await signIn(page, server, 'olive', DEMO);
  const base = `${server.url}/orgs/acme`;
  for (const [name, path] of PAGES) await save(name, await page.request.get(base + path));
  for (const [name, path] of ACCOUNT) await save(name, await page.request.get(server.url + path));
  for (const [name, path] of REFUSED) {
    const to = base + path.replace(/\/new$/, '');
    const answer = await page.request.post(to, { form: { x: '' }, headers: { 'Sec-Fetch-Site': 'same-origin' } });
    expect(answer.status(), name).toBe(422);
    await save(name, answer);
  }
  await page.goto(`${base}/settings/service-accounts`);
  for (const name of ['ci-deploy', 'Edit ci-deploy', 'Regenerate token for ci-deploy', 'Delete ci-deploy']) {
    const path = await page.getByRole('link', { name, exact: true }).getAttribute('href');
    await save(`account-${name.replaceAll(' ', '-')}`, await page.request.get(server.url + path));
  }
  let told = '';
  try {
    execFileSync('java', ['-jar', vnu, '--errors-only', '--skip-non-html', folder], { stdio: 'pipe' });
  } catch (error) {
    told = `${error.stderr ?? error}`;
  }
  rmSync(folder, { recursive: true, force: true });
  expect(told.split('\n').slice(0, 40)).toEqual(['']);
});
