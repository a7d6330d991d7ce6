// The services of docs/examples, started as their first lines say, asking the
// real program.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { PYTHON } from './authlib.js';
import { send, start } from './parts.js';
import { tessera, UNKNOWN } from './tessera.js';

const path = (name) => new URL(name, import.meta.url).pathname;
const rust = process.env.TESSERA_EXAMPLE_SERVICE ?? path('../../target/debug/examples/service');
const KINDS = [
  ['the service in Python', PYTHON, [path('../../docs/examples/service.py')]],
  ['the service in JavaScript', process.execPath, [path('../../docs/examples/service.mjs')]],
  ['the service in Rust', rust, [], existsSync(rust) ? false : 'not built: cargo build --examples'],
];

for (const [what, command, args, skip] of KINDS) {
  describe(what, { skip }, () => {
    let server;
    let service;
    let deploy;
    let reader;
    let registered;
    const running = [];

    // Starts it, as a service with this secret that asks Tessera there.
    const run = async (secret, url = server.url) => {
      const program = await start(command, args, {
        env: { TESSERA_URL: url, TESSERA_SERVICE_ID: registered.id, TESSERA_SERVICE_SECRET: secret, LISTEN: '127.0.0.1:0' },
        ready: (it) => /listens on \S+/.test(it.out),
      });
      running.push(program);
      return `${program.out.match(/listens on (\S+)/)[1]}/runs`;
    };
    before(async () => {
      server = await tessera();
      deploy = await server.account('deploy', 'member');
      reader = await server.account('reader', 'read_only');
      registered = await server.service('payments');
      service = await run(registered.secret);
    });
    after(async () => {
      for (const program of running) await program.stop('SIGKILL');
      await server?.end();
    });
    const bearer = (account) => ({ Authorization: `Bearer ${account.key.token}` });
    const ask = (headers = {}, method = 'GET', more = {}) => send(service, { headers, method, ...more });

    test('a good key gets an answer, which knows whose it is', async () => {
      for (const method of ['GET', 'POST']) {
        const answer = await ask(bearer(deploy), method);
        assert.deepEqual([answer.status, answer.json()], [200, { subject: deploy.id, for: null }]);
      }
    });

    test('the person for whom a program works is known', async () => {
      const answer = await ask({ ...bearer(deploy), 'Tessera-On-Behalf-Of': 'olive' });
      assert.deepEqual([answer.status, answer.json().for?.username], [200, 'olive']);
    });

    test('without a token it is 401, and the answer says how to bring one', async () => {
      const answer = await ask();
      assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Bearer realm="payments"']);
    });

    test('a bad token is 401, and the answer says so', async () => {
      const good = deploy.key.token;
      const bad = [
        `Bearer ${UNKNOWN}`, 'Bearer x', 'Bearer', 'Bearer ', `Bearer ${good}x`, `Bearer ${good} ${good}`, `Basic ${good}`, good,
        `Bearer ${registered.secret}`, `Bearer ${'x'.repeat(7000)}`, [`Bearer ${good}`, 'Bearer x'], ['Bearer x', `Bearer ${good}`],
        'Bearer a&token=b', 'Bearer a%00b', `Bearer ${good}&on_behalf_of=olive`,
      ];
      for (const Authorization of bad) {
        for (const method of ['GET', 'POST']) {
          const answer = await ask({ Authorization }, method);
          assert.equal(answer.status, 401, String(Authorization));
          assert.equal(answer.headers['www-authenticate'], 'Bearer realm="payments", error="invalid_token"');
        }
      }
      const inAddress = await send(`${service}?access_token=${good}`);
      assert.equal(inAddress.status, 401);
    });

    test('what the account may not do is 403, and the answer names the permission', async () => {
      assert.equal((await ask(bearer(reader))).status, 200);
      const answer = await ask(bearer(reader), 'POST');
      assert.equal(answer.status, 403);
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="payments", error="insufficient_scope", scope="runs:write"');
    });

    test('a token for some addresses is good from there only', async () => {
      const there = await server.account('from-there', 'member', { allowed_addresses: ['127.0.0.2/32'] });
      assert.equal((await ask(bearer(there), 'GET', { from: '127.0.0.2' })).status, 200);
      const claims = { 'X-Forwarded-For': '127.0.0.2' };
      assert.equal((await ask({ ...bearer(there), ...claims }, 'GET', { from: '127.0.0.3' })).status, 401);
    });

    test('what ends is refused with the next request, because nothing is remembered', async () => {
      const short = await server.account('short', 'member');
      const at = `/organizations/acme/service-accounts/${short.id}`;
      assert.equal((await ask(bearer(short))).status, 200);
      await server.api('PATCH', at, { role: 'read_only' });
      assert.equal((await ask(bearer(short), 'POST')).status, 403);
      await server.api('POST', `${at}/disable`);
      assert.equal((await ask(bearer(short))).status, 401);
      await server.api('POST', `${at}/enable`);
      assert.equal((await ask(bearer(short))).status, 200);
      await server.api('DELETE', `${at}/tokens/${short.key.id}`);
      assert.equal((await ask(bearer(short))).status, 401);
    });

    test('with a wrong secret nobody gets in', async () => {
      const wrong = await run(UNKNOWN.replace('tsra', 'tsrr'));
      for (const headers of [bearer(deploy), { Authorization: `Bearer ${UNKNOWN}` }]) {
        assert.equal((await send(wrong, { headers })).status, 503);
      }
    });

    test('while Tessera does not answer nobody gets in', async () => {
      server.program.signal('SIGSTOP');
      try {
        const began = Date.now();
        assert.equal((await ask(bearer(deploy))).status, 503);
        assert.ok(Date.now() - began < 15_000, 'it waited too long');
      } finally {
        server.program.signal('SIGCONT');
      }
      assert.equal((await ask(bearer(deploy))).status, 200);
    });

    test('while Tessera is down nobody gets in, and afterwards all is well', async () => {
      await server.stop('SIGKILL');
      assert.equal((await ask(bearer(deploy))).status, 503);
      assert.equal((await ask()).status, 401);
      await server.start();
      assert.equal((await ask(bearer(deploy))).status, 200);
    });

    test('an answer that makes no sense lets nobody in', async () => {
      for (const answer of ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]', 'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"active":"true"}',
        'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"active"', 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n', 'garbage\r\n\r\n', '']) {
        const odd = createServer((socket) => { socket.on('error', () => {}); socket.once('data', () => socket.end(answer)); });
        await new Promise((resolve) => odd.listen(0, '127.0.0.1', resolve));
        try {
          const it = await run(registered.secret, `http://127.0.0.1:${odd.address().port}`);
          const { status } = await send(it, { headers: bearer(deploy) });
          assert.ok([401, 503].includes(status), `${answer}: ${status}`);
        } finally {
          await running.pop().stop('SIGKILL');
          await new Promise((resolve) => odd.close(resolve));
        }
      }
    });
  });
}
