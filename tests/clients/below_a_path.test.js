// The console below a path, behind the real proxies, with the files of
// docs/examples.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { freePort, send } from './parts.js';
import { belowAPath } from './proxies.js';
import { tessera } from './tessera.js';

for (const kind of ['nginx', 'nginx that takes the path off', 'Caddy']) {
  describe(`below a path behind ${kind}`, () => {
    let server;
    let proxy;

    before(async () => {
      const port = await freePort();
      server = await tessera(['--public-url', `http://127.0.0.1:${port}/tessera`, '--trusted-proxies', '127.0.0.1']);
      proxy = await belowAPath(kind, server, port);
    });
    after(async () => {
      await proxy?.stop();
      await server?.end();
    });

    const post = (path, fields, headers = {}) => send(`${proxy.url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin', ...headers },
      body: new URLSearchParams(fields).toString(),
    });

    test('somebody signs in, and every address of the page leads on', async () => {
      assert.equal((await send(`${proxy.url}/`)).text, 'Something else.');
      const first = await send(`${proxy.url}/tessera/orgs/acme`);
      assert.equal(first.headers.location, '/tessera/sign-in?next=%2Forgs%2Facme');
      const signedIn = await post('/tessera/sign-in', {
        email: 'olive@acme.test', password: 'seven quiet mosaics', next: '/orgs/acme',
      });
      assert.equal(signedIn.status, 303, signedIn.text);
      assert.equal(signedIn.headers.location, '/tessera/orgs/acme');
      const Cookie = [signedIn.headers['set-cookie']].flat().map((it) => it.split(';')[0]).join('; ');
      const page = await send(`${proxy.url}/tessera/orgs/acme`, { headers: { Cookie } });
      assert.equal(page.status, 200);
      const addresses = [...page.text.matchAll(/(?:href|src)="(\/[^"#]*)/g)].map(([, address]) => address);
      assert.ok(addresses.length > 10, page.text);
      for (const address of new Set(addresses)) {
        const answer = await send(`${proxy.url}${address.replaceAll('&amp;', '&')}`, { headers: { Cookie } });
        assert.ok([200, 303].includes(answer.status), `${address}: ${answer.status}`);
        assert.notEqual(answer.text, 'Something else.', address);
      }
    });

    test('the API answers there, as its document and its metadata say', async () => {
      const document = (await send(`${proxy.url}/tessera/api/openapi.json`)).json();
      const { token_endpoint: endpoint } = (await send(`${proxy.url}/tessera/.well-known/oauth-authorization-server`)).json();
      assert.equal(endpoint, `${proxy.url}/tessera/oauth2/token`);
      const answer = await send(`${proxy.url}${document.servers[0].url}/whoami`, { headers: { Authorization: `Bearer ${server.owner}` } });
      assert.equal(answer.status, 200);
    });
  });
}
