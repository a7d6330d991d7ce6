// Two nodes on one PostgreSQL behind the real Caddy, with the file of docs/deploy.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { freePort, run, send, until } from './parts.js';
import { balancer } from './proxies.js';
import { tessera } from './tessera.js';

const socket = process.env.TESSERA_TEST_POSTGRES;

// A database of its own on the server behind that socket.
async function database() {
  assert.ok(socket, 'TESSERA_TEST_POSTGRES must name the folder of a PostgreSQL socket: run tests/clients/run');
  const version = readdirSync('/usr/lib/postgresql').sort((one, other) => other - one)[0];
  const name = `nodes_${process.pid}`;
  await run(`/usr/lib/postgresql/${version}/bin/createdb`, ['--host', socket, '--username', 'tessera', name]);
  return ['--database-url', `postgres://tessera@localhost/${name}?host=${socket}`];
}

describe('two nodes behind Caddy', () => {
  let one;
  let other;
  let proxy;

  before(async () => {
    const port = await freePort();
    const flags = ['--public-url', `http://127.0.0.1:${port}`, '--trusted-proxies', '127.0.0.1'];
    one = await tessera(flags, await database());
    other = await one.beside();
    proxy = await balancer(port, [one, other]);
    // Until it knows that both are well.
    await until('both nodes are asked', async () => (await send(`${proxy.url}/readyz`)).status === 200);
  });
  after(async () => {
    await proxy?.stop();
    await other?.stop('SIGKILL');
    await one?.end();
  });

  const whoami = (url, token) => send(`${url}/api/v1/whoami`, { headers: { Authorization: `Bearer ${token}` } });

  test('who signs in through the proxy is signed in at both, and out at both', async () => {
    const form = (path, body, headers = {}) => send(`${proxy.url}${path}`, {
      method: 'POST',
      body: String(new URLSearchParams(body)),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin', ...headers },
    });
    const signedIn = await form('/sign-in', { email: 'olive@acme.test', password: 'seven quiet mosaics' });
    assert.equal(signedIn.status, 303, signedIn.text);
    const Cookie = signedIn.headers['set-cookie'].map((cookie) => cookie.split(';')[0]).join('; ');
    const pages = () => Promise.all([proxy, one, other].map((it) => send(`${it.url}/orgs/acme/settings/teams`, { headers: { Cookie } })));
    for (const page of await pages()) assert.equal(page.status, 200);
    await form('/sign-out', {}, { Cookie });
    for (const page of await pages()) assert.notEqual(page.status, 200);
  });

  test('a key that is revoked through the proxy is refused by both', async () => {
    const account = await one.account('short', 'member');
    const { id, token } = account.key;
    for (const it of [proxy, one, other]) assert.equal((await whoami(it.url, token)).status, 200);
    const path = `/api/v1/organizations/acme/service-accounts/${account.id}/tokens/${id}`;
    const revoked = await send(`${proxy.url}${path}`, { method: 'DELETE', headers: { Authorization: `Bearer ${one.owner}` } });
    assert.equal(revoked.status, 204);
    await until('both refuse it', async () => {
      const answers = await Promise.all([one, other].map((it) => whoami(it.url, token)));
      return answers.every((answer) => answer.status === 401);
    }, 1);
  });

  test('nodes are restarted one after the other, and nobody behind the proxy notices', async () => {
    const { key: { token } } = await one.account('steady', 'member');
    const seen = new Map();
    let over = false;
    const asking = Promise.all(Array.from({ length: 4 }, async () => {
      while (!over) {
        const { status } = await whoami(proxy.url, token).catch((error) => ({ status: error.code ?? String(error) }));
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
    }));
    for (const node of [one, other]) {
      const asked = () => [...seen.values()].reduce((sum, it) => sum + it, 0);
      const before = asked();
      await node.stop('SIGTERM');
      await until('others are asked', async () => asked() > before + 50);
      await node.start();
      await until('it is back', async () => (await whoami(node.url, token)).status === 200);
    }
    over = true;
    await asking;
    assert.deepEqual([...seen.keys()], [200], JSON.stringify([...seen]));
  });
});
