// Forward auth through the real proxies, with the files of docs/examples.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { send, sendRaw } from './parts.js';
import { caddy, echo, nginx } from './proxies.js';
import { tessera, UNKNOWN } from './tessera.js';

const NAMES = ['Tessera-Subject', 'Tessera-Kind', 'Tessera-Organization', 'Tessera-Team', 'Tessera-Scope', 'Tessera-Attributed-To'];

for (const make of [nginx, caddy]) {
  describe(`behind ${make.name === 'nginx' ? 'nginx' : 'Caddy'}`, () => {
    let server;
    let behind;
    let proxy;
    let deploy;
    let reader;
    let secret;

    before(async () => {
      server = await tessera(['--trusted-proxies', '127.0.0.1']);
      deploy = await server.account('deploy', 'member');
      reader = await server.account('reader', 'read_only');
      ({ secret } = await server.service('payments'));
      behind = await echo();
      proxy = await make(server, behind, secret);
    });
    after(async () => {
      await proxy?.stop();
      await behind?.stop();
      await server?.end();
    });

    const bearer = (account) => ({ Authorization: `Bearer ${account.key.token}` });
    const ask = (headers = {}, more = {}) => send(`${proxy.url}/runs`, { headers, ...more });
    // What the program behind the proxy got under a name, in whatever spelling.
    const got = (answer, name) => answer.json().headers
      .filter(([it]) => it.replaceAll('_', '-').toLowerCase() === name.toLowerCase()).map(([, value]) => value);
    // The same where an empty header and none at all are one.
    const said = (answer, name) => got(answer, name).filter((value) => value !== '');
    // Asks, and holds that nothing arrived behind the proxy.
    const stopped = async (...args) => {
      const before = behind.requests;
      const answer = await ask(...args);
      assert.equal(behind.requests, before, 'it reached the program');
      return answer;
    };

    test('a request with a good key arrives, with whose it is', async () => {
      const answer = await ask(bearer(deploy));
      assert.equal(answer.status, 200);
      assert.deepEqual(said(answer, 'Tessera-Subject'), [deploy.id]);
      assert.deepEqual(said(answer, 'Tessera-Kind'), ['service_account']);
      assert.deepEqual(said(answer, 'Tessera-Organization'), ['acme']);
      assert.deepEqual(said(answer, 'Tessera-Team'), ['platform']);
      assert.ok(said(answer, 'Tessera-Scope')[0].split(' ').includes('runs:write'));
      assert.deepEqual(said(answer, 'Tessera-Attributed-To'), []);
    });

    test('method, address and body arrive as they were sent', async () => {
      const body = 'x'.repeat(100_000);
      const answer = await send(`${proxy.url}/runs/7?a=b&permission=runs:read`, { method: 'PUT', headers: bearer(deploy), body });
      assert.equal(answer.status, 200);
      const { method, url, length } = answer.json();
      assert.deepEqual({ method, url, length }, { method: 'PUT', url: '/runs/7?a=b&permission=runs:read', length: body.length });
    });

    test('neither the token nor the secret of the service arrives', async () => {
      const answer = await ask({ ...bearer(deploy), 'Tessera-Service-Authorization': 'Bearer mine' });
      assert.equal(answer.status, 200);
      assert.ok(!answer.text.includes(deploy.key.token) && !answer.text.includes(secret) && !answer.text.includes('mine'));
    });

    test('a WebSocket opens with a good key alone, and carries bytes both ways', async () => {
      const open = (key) => new Promise((resolve, reject) => {
        const socket = connect(proxy.port, '127.0.0.1');
        let text = '';
        const end = () => { socket.destroy(); resolve(text); };
        socket.setTimeout(5000, end);
        socket.on('error', reject).on('close', end).on('data', (part) => {
          text += part.toString('latin1');
          if (text.endsWith(';')) socket.write('there and back');
          if (text.endsWith('there and back') || text.startsWith('HTTP/1.1 401')) end();
        });
        socket.write(`GET /runs HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`);
      });
      const opened = await open(`Authorization: Bearer ${deploy.key.token}\r\nTessera-Subject: forged\r\n`);
      assert.match(opened, /^HTTP\/1\.1 101 /);
      assert.ok(opened.endsWith(`\r\n\r\n${deploy.id};there and back`), opened);
      const before = behind.requests;
      assert.match(await open(''), /^HTTP\/1\.1 401 /);
      assert.equal(behind.requests, before);
    });

    test('without a token it is 401, and the answer says how to bring one', async () => {
      const answer = await stopped();
      assert.equal(answer.status, 401);
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="tessera"');
    });

    test('a bad token is 401, and the answer says so', async () => {
      const bad = [`Bearer ${UNKNOWN}`, 'Bearer x', `Bearer ${deploy.key.token}x`, `Bearer ${deploy.key.token.toUpperCase()}`, 'Bearer', 'Basic x'];
      for (const Authorization of bad) {
        const answer = await stopped({ Authorization });
        assert.equal(answer.status, 401, Authorization);
        assert.match(answer.headers['www-authenticate'], /^Bearer realm="tessera", error="invalid_token"/);
      }
    });

    test('a token in the address is not taken', async () => {
      const before = behind.requests;
      const answer = await send(`${proxy.url}/runs?access_token=${deploy.key.token}`);
      assert.deepEqual([answer.status, behind.requests], [401, before]);
    });

    test('two tokens at once are refused, whichever stands first', async () => {
      for (const both of [[`Bearer ${deploy.key.token}`, 'Bearer x'], ['Bearer x', `Bearer ${deploy.key.token}`]]) {
        const { status } = await stopped({ Authorization: both });
        assert.ok([400, 401].includes(status), String(status));
      }
    });

    test('what the account may not do is 403, what it may is 200', async () => {
      assert.equal((await ask(bearer(reader))).status, 200);
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        assert.equal((await stopped(bearer(reader), { method })).status, 403, method);
      }
      assert.equal((await ask(bearer(deploy), { method: 'POST' })).status, 200);
    });

    test('a caller cannot choose what is asked about', async () => {
      const before = behind.requests;
      for (const tail of ['?permission=projects:read&project=other', '?permission=', '/..%2f?x']) {
        const answer = await send(`${proxy.url}/runs${tail}`, { method: 'POST', headers: bearer(reader) });
        assert.equal(answer.status, 403, tail);
      }
      for (const header of ['X-HTTP-Method-Override', 'X-Original-Method', 'X-Forwarded-Method']) {
        const answer = await ask({ ...bearer(reader), [header]: 'GET' }, { method: 'POST' });
        assert.equal(answer.status, 403, header);
      }
      assert.equal(behind.requests, before);
    });

    test('forged headers never arrive, however they are spelled', async () => {
      const truth = await ask(bearer(deploy));
      const spellings = (name) => [
        name, name.toLowerCase(), name.toUpperCase(), name.replaceAll('-', '_'), name.replace('-', '_'),
        name.replace(/-(?=[^-]*$)/, '_'), name.replaceAll('-', '_').toUpperCase(),
      ];
      for (const name of [...NAMES, 'Tessera-Service-Authorization']) {
        for (const spelling of new Set(spellings(name))) {
          for (const value of ['forged', ['forged', 'forged']]) {
            const answer = await ask({ ...bearer(deploy), [spelling]: value });
            assert.equal(answer.status, 200);
            assert.ok(!answer.text.includes('forged'), `${spelling}: ${answer.text}`);
            assert.deepEqual(got(answer, name), got(truth, name), spelling);
          }
        }
      }
    });

    test('all forged at once, with values that look right, do not arrive either', async () => {
      const headers = { ...bearer(deploy) };
      for (const name of NAMES) headers[name] = headers[name.replaceAll('-', '_')] = ['person_01forged', ''];
      const answer = await ask(headers);
      assert.equal(answer.status, 200);
      assert.ok(!answer.text.includes('forged'));
      assert.deepEqual(said(answer, 'Tessera-Subject'), [deploy.id]);
    });

    test('a caller cannot have a header of Tessera taken away', async () => {
      const truth = await ask(bearer(deploy));
      for (const name of [...NAMES, 'Tessera-Service-Authorization', 'X-Forwarded-For']) {
        const answer = await ask({ ...bearer(deploy), Connection: `close, ${name}` });
        assert.equal(answer.status, 200, name);
        assert.deepEqual(said(answer, name), said(truth, name), name);
      }
    });

    test('the person for whom a program works arrives, verified', async () => {
      const named = await ask({ ...bearer(deploy), 'Tessera-On-Behalf-Of': 'olive' });
      assert.deepEqual([named.status, said(named, 'Tessera-Attributed-To')], [200, ['olive']]);
      assert.deepEqual(got(named, 'Tessera-On-Behalf-Of'), []);
      const unknown = await ask({ ...bearer(deploy), 'Tessera-On-Behalf-Of': 'nobody', 'Tessera-Attributed-To': 'olive' });
      assert.deepEqual([unknown.status, said(unknown, 'Tessera-Attributed-To')], [200, []]);
    });

    test('cookies that are broken, garbage or huge do no harm', async () => {
      for (const Cookie of ['=', ';;;', 'tessera=', 'id=%00%ff', '__Host-tessera=x; '.repeat(200), ['a=1', 'a=2'], 'x'.repeat(7000), 'y'.repeat(200_000)]) {
        const good = await ask({ ...bearer(deploy), Cookie });
        // A proxy may refuse a header that is too long for it by itself.
        if (good.status === 200) assert.deepEqual(said(good, 'Tessera-Subject'), [deploy.id]);
        else assert.ok(Cookie.length > 8000 && good.status >= 400 && good.status < 500, String(good.status));
        const { status } = await stopped({ Cookie });
        assert.ok(status === 401 || (Cookie.length > 8000 && status >= 400 && status < 500), String(status));
      }
    });

    test('bytes that are no text do no harm', async () => {
      const garbage = '\x01\x02;;==;\x7f"\xff\xfe';
      for (const name of ['Cookie', 'Tessera-Subject', 'Tessera-On-Behalf-Of', 'Tessera-For-Team', 'X']) {
        const raw = (key) => sendRaw(proxy.port, Buffer.from(
          `GET /runs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${key}${name}: ${garbage}\r\n\r\n`, 'latin1',
        ));
        const before = behind.requests;
        const { status } = await raw('');
        assert.ok(status >= 400 && behind.requests === before, `${name}: ${status}`);
        const good = await raw(`Authorization: Bearer ${deploy.key.token}\r\n`);
        if (good.status === 200) assert.ok(good.answer.includes(deploy.id), good.answer);
        else assert.ok(good.status >= 400 && behind.requests === before, `${name}: ${good.status}`);
      }
    });

    test('a token for some addresses is good from there, and not from where a header says', async () => {
      const there = await server.account('from-there', 'member', { allowed_addresses: ['127.0.0.2/32'] });
      assert.equal((await ask(bearer(there), { from: '127.0.0.2' })).status, 200);
      for (const claim of [{}, { 'X-Forwarded-For': '127.0.0.2' }, { Forwarded: 'for=127.0.0.2' }, { 'X-Real-IP': '127.0.0.2' }]) {
        assert.equal((await stopped({ ...bearer(there), ...claim }, { from: '127.0.0.3' })).status, 401);
      }
    });

    test('a token of a kind that the service does not take is 401', async () => {
      const narrow = await server.service('only-people', { accepted_kinds: ['personal'] });
      const other = await make(server, behind, narrow.secret);
      try {
        const with_ = (token) => send(`${other.url}/runs`, { headers: { Authorization: `Bearer ${token}` } });
        assert.equal((await with_(deploy.key.token)).status, 401);
        assert.equal((await with_(server.owner)).status, 200);
      } finally {
        await other.stop();
      }
    });

    test('a key that is revoked is refused with the next request', async () => {
      const short = await server.account('short', 'member');
      assert.equal((await ask(bearer(short))).status, 200);
      await server.api('DELETE', `/organizations/acme/service-accounts/${short.id}/tokens/${short.key.id}`);
      assert.equal((await stopped(bearer(short))).status, 401);
    });

    test('an account that is disabled is refused with the next request', async () => {
      const pause = await server.account('pause', 'member');
      assert.equal((await ask(bearer(pause))).status, 200);
      await server.api('POST', `/organizations/acme/service-accounts/${pause.id}/disable`);
      assert.equal((await stopped(bearer(pause))).status, 401);
      await server.api('POST', `/organizations/acme/service-accounts/${pause.id}/enable`);
      assert.equal((await ask(bearer(pause))).status, 200);
    });

    test('nobody reaches Tessera itself through the proxy', async () => {
      for (const path of ['/.tessera', '/%2Etessera', '/forward-auth']) {
        const answer = await send(`${proxy.url}${path}`, { headers: bearer(deploy) });
        assert.ok(answer.status === 404 || (answer.status === 200 && answer.json().url === path), `${path} ${answer.status}`);
      }
    });

    test('a wrong secret of the service is the fault of the operator: 5xx, and nobody gets in', async () => {
      for (const wrong of [UNKNOWN.replace('tsra', 'tsrr'), 'x', '', deploy.key.token]) {
        const other = await make(server, behind, wrong);
        try {
          const before = behind.requests;
          for (const headers of [bearer(deploy), { Authorization: `Bearer ${server.owner}` }, {}]) {
            const { status } = await send(`${other.url}/runs`, { headers });
            assert.ok(status >= 500, `${wrong}: ${status}`);
          }
          assert.equal(behind.requests, before);
        } finally {
          await other.stop();
        }
      }
    });

    test('while Tessera does not answer nobody gets in, and afterwards all is well', async () => {
      server.program.signal('SIGSTOP');
      try {
        const began = Date.now();
        const { status } = await stopped(bearer(deploy));
        assert.ok(status >= 500, String(status));
        assert.ok(Date.now() - began < 15_000, 'it waited too long');
      } finally {
        server.program.signal('SIGCONT');
      }
      assert.equal((await ask(bearer(deploy))).status, 200);
    });

    test('while Tessera is down nobody gets in, and afterwards all is well', async () => {
      await server.stop('SIGKILL');
      for (const headers of [bearer(deploy), {}]) {
        const { status } = await stopped(headers);
        assert.ok(status >= 500, String(status));
      }
      await server.start();
      assert.equal((await ask(bearer(deploy))).status, 200);
    });
  });
}
