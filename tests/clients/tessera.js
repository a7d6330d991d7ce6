// The real program with an organization in it: a team, a project, accounts that
// may and may not, and a service that asks.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort, run, start } from './parts.js';

const program = process.env.TESSERA_PROGRAM ?? new URL('../../target/debug/tessera', import.meta.url).pathname;

export async function tessera(flags = [], database = []) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-clients-'));
  const data = join(folder, 'data');
  writeFileSync(join(folder, 'password'), 'seven quiet mosaics', { mode: 0o600 });
  await run(program, [
    'setup', '--organization', 'acme', '--organization-name', 'Acme Inc.', '--email', 'olive@acme.test',
    '--username', 'olive', '--name', 'Olive Owner', '--password-file', join(folder, 'password'),
    '--personal-token-file', join(folder, 'token'), '--data-dir', data, ...database,
  ]);
  const server = { folder, owner: readFileSync(join(folder, 'token'), 'utf8').trim() };
  // A node. It has the same port after a restart, so that whoever asks finds it again.
  const node = async (it) => {
    it.port = await freePort();
    it.url = `http://127.0.0.1:${it.port}`;
    it.start = async () => {
      it.program = await start(program, ['serve', '--listen', `127.0.0.1:${it.port}`, '--data-dir', data, ...database, ...flags], {
        ready: ({ out }) => out.includes('listens on '),
      });
    };
    it.stop = (signal) => it.program.stop(signal);
    return it;
  };
  await node(server);
  // Another one on the same database, with the same key.
  server.beside = async () => {
    const other = await node({});
    await other.start();
    return other;
  };
  server.end = async () => {
    await server.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  server.api = async (method, path, body, token = server.owner) => {
    const answer = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
  server.whoami = async (token) => {
    const answer = await fetch(`${server.url}/api/v1/whoami`, { headers: { Authorization: `Bearer ${token}` } });
    return { status: answer.status, body: await answer.json() };
  };
  // An account of the team, with its first key.
  server.account = (name, role, more = {}) =>
    server.api('POST', '/organizations/acme/service-accounts', { name, scope: 'team', team: 'platform', role, ...more });
  server.service = (name, more = {}) => server.api('POST', '/organizations/acme/services', { name, ...more });
  await server.start();
  await server.api('POST', '/organizations/acme/teams', { slug: 'platform', name: 'Platform' });
  await server.api('PUT', '/organizations/acme/teams/platform/members/olive', { role: 'member' });
  await server.api('POST', '/organizations/acme/projects', { slug: 'payments', name: 'Payments', team: 'platform' });
  return server;
}

// A token of the right form whose checksum fits, and that nobody ever made:
// it gets as far as the database.
export const UNKNOWN = (() => {
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const body = 'A'.repeat(30);
  let crc = 0xffffffff;
  for (const byte of Buffer.from(body)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  let rest = (crc ^ 0xffffffff) >>> 0;
  let sum = '';
  for (let place = 0; place < 6; place += 1) {
    sum = alphabet[rest % 62] + sum;
    rest = Math.floor(rest / 62);
  }
  return `tsra_${body}${sum}`;
})();
