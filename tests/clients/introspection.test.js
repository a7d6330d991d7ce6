// Introspection, by libraries that know nothing of Tessera.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import * as client from 'openid-client';

import { authlib } from './authlib.js';
import { tessera, UNKNOWN } from './tessera.js';

let server;
let deploy;
let service;
before(async () => {
  server = await tessera();
  deploy = await server.account('deploy', 'member');
  service = await server.service('payments', { accepted_kinds: ['service_account', 'access', 'service_token', 'team'] });
});
after(() => server?.end());

const about = (token) => {
  assert.equal(token.active, true);
  assert.equal(token.sub, deploy.id);
  assert.equal(token.client_id, deploy.id);
  assert.equal(token.username, 'deploy');
  assert.equal(token.token_type, 'Bearer');
  assert.equal(token.iss, server.url);
  assert.equal(token.aud, service.id);
  assert.ok(token.iat <= Date.now() / 1000 && token.nbf === token.iat);
  assert.ok(token.scope.split(' ').includes('runs:write'));
  assert.deepEqual([token.tessera.kind, token.tessera.organization, token.tessera.team], ['service_account', 'acme', 'platform']);
};

// What an answer about a token that is not good must be, to the letter.
const BAD = () => [UNKNOWN, 'x', `${deploy.key.token}x`, server.owner, service.secret];

describe('openid-client', () => {
  const config = (auth = client.ClientSecretBasic(service.secret), id = service.id) => {
    const it = new client.Configuration(
      { issuer: server.url, introspection_endpoint: `${server.url}/oauth2/introspect` }, id, undefined, auth,
    );
    client.allowInsecureRequests(it);
    return it;
  };

  test('reads whose token it is', async () => {
    about(await client.tokenIntrospection(config(), deploy.key.token));
  });

  test('reads nothing of a token that is not good', async () => {
    for (const token of BAD()) assert.deepEqual(await client.tokenIntrospection(config(), token), { active: false }, token);
  });

  test('sends the person, the team and the address along', async () => {
    const token = await client.tokenIntrospection(config(), deploy.key.token, { on_behalf_of: 'olive', client_address: '127.0.0.1' });
    assert.equal(token.tessera.attributed_to.username, 'olive');
  });

  test('is refused with a wrong secret, or with that of another service', async () => {
    const other = await server.service('other');
    for (const it of [
      config(client.ClientSecretBasic(UNKNOWN.replace('tsra', 'tsrr'))), config(client.ClientSecretBasic(other.secret)),
      config(client.ClientSecretBasic(deploy.key.token)), config(client.ClientSecretBasic(service.secret), deploy.id), config(client.None()),
    ]) {
      await assert.rejects(client.tokenIntrospection(it, deploy.key.token), (error) => {
        assert.equal(error.status ?? error.cause?.status ?? error.response?.status, 401, String(error));
        return true;
      });
    }
  });

  test('works with both secrets while they are changed, and not with the one that was revoked', async () => {
    const changing = await server.service('changing');
    const at = `/organizations/acme/services/${changing.id}`;
    const second = await server.api('POST', `${at}/secrets`);
    const ask = (secret) => client.tokenIntrospection(config(client.ClientSecretBasic(secret), changing.id), deploy.key.token);
    assert.deepEqual([(await ask(changing.secret)).active, (await ask(second.token)).active], [true, true]);
    const [first] = (await server.api('GET', at)).secrets.filter((it) => it.id !== second.id);
    await server.api('DELETE', `${at}/secrets/${first.id}`);
    await assert.rejects(ask(changing.secret));
    assert.equal((await ask(second.token)).active, true);
  });
});

describe('Authlib', () => {
  const ask = (more) => authlib({ url: server.url, id: service.id, secret: service.secret, ...more });

  test('reads whose token it is', async () => {
    const { status, body } = await ask({ do: 'introspect', token: deploy.key.token });
    assert.equal(status, 200);
    about(body);
  });

  test('reads nothing of a token that is not good', async () => {
    for (const token of BAD()) {
      assert.deepEqual(await ask({ do: 'introspect', token }), { status: 200, body: { active: false } }, token);
    }
  });

  test('is refused with a wrong secret', async () => {
    const { status } = await ask({ do: 'introspect', token: deploy.key.token, secret: UNKNOWN.replace('tsra', 'tsrr') });
    assert.equal(status, 401);
  });

  test('lets a request through whose token carries the permission', async () => {
    const { status, body } = await ask({ do: 'protect', authorization: `Bearer ${deploy.key.token}`, scopes: ['runs:write'] });
    assert.equal(status, 200);
    about(body);
  });

  test('takes runs:write for reading: a write is told with its read', async () => {
    const { status } = await ask({ do: 'protect', authorization: `Bearer ${deploy.key.token}`, scopes: ['runs:read'] });
    assert.equal(status, 200);
  });

  test('stops a request without a token, with a bad one, or with one that may not', async () => {
    const scopes = ['runs:write'];
    assert.deepEqual((await ask({ do: 'protect', scopes })).status, 401);
    const bad = await ask({ do: 'protect', scopes, authorization: `Bearer ${UNKNOWN}` });
    assert.deepEqual([bad.status, bad.error], [401, 'invalid_token']);
    const reader = await server.account('reader', 'read_only');
    const weak = await ask({ do: 'protect', scopes, authorization: `Bearer ${reader.key.token}` });
    assert.deepEqual([weak.status, weak.error], [403, 'insufficient_scope']);
  });
});
