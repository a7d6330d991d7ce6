// Pictures of the demo for README and docs: `node screenshots.js`, from this folder.
import { chromium } from '@playwright/test';
import { start } from './server.js';
import { DEMO, signIn } from './steps.js';

const PICTURES = [
  ['overview', ''], ['service-accounts', '/settings/service-accounts'], ['service-tokens', '/settings/service-tokens'],
  ['team-api-token', '/settings/teams/platform/api-token'], ['project-access', '/settings/projects/ledger/access'],
  ['access-explorer', '/settings/access-explorer?who=person:bea&what=runs:write&where=ledger'], ['audit-log', '/settings/audit-log'],
];
const server = await start(['--demo']);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
await signIn(page, server, 'olive', DEMO);
for (const [name, path] of PICTURES) {
  await page.goto(`${server.url}/orgs/acme${path}`);
  await page.screenshot({ path: new URL(`../../docs/${name}.png`, import.meta.url).pathname });
}
await browser.close();
await server.stop();
