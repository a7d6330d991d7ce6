// The OAuth 2.0 endpoints, by libraries that know nothing of Tessera.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import * as client from 'openid-client';

import { authlib } from './authlib.js';
import { tessera, UNKNOWN } from './tessera.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

let server;
let deploy;
let service;
before(async () => {
  server = await tessera();
  deploy = await server.account('deploy', 'member');
  service = await server.service('payments');
});
after(() => server?.end());

// A client as a program would make it: from the address of Tessera alone.
const discover = (id, auth) => client.discovery(new URL(server.url), id, undefined, auth, {
  algorithm: 'oauth2', execute: [client.allowInsecureRequests],
});
const anybody = () => discover('anybody', client.None());
const exchange = async (token, more = {}) => client.genericGrantRequest(await anybody(), EXCHANGE, {
  subject_token: token, subject_token_type: ACCESS_TOKEN, ...more,
});
const fails = (asked, error, status = 400) => assert.rejects(asked, (told) => {
  assert.equal(told.error, error, `${told} ${told.error_description ?? ''}`);
  assert.equal(told.status, status);
  return true;
});
const active = async (token) => {
  const config = await discover(service.id, client.ClientSecretBasic(service.secret));
  return client.tokenIntrospection(config, token);
};

describe('openid-client', () => {
  test('finds everything from the address alone', async () => {
    const metadata = (await anybody()).serverMetadata();
    assert.equal(metadata.issuer, server.url);
    assert.equal(metadata.token_endpoint, `${server.url}/oauth2/token`);
    assert.equal(metadata.introspection_endpoint, `${server.url}/oauth2/introspect`);
    assert.equal(metadata.revocation_endpoint, `${server.url}/oauth2/revoke`);
    assert.ok(metadata.grant_types_supported.includes(EXCHANGE));
  });

  for (const [how, auth] of [['in the header', client.ClientSecretBasic], ['in the form', client.ClientSecretPost]]) {
    test(`opens a session on behalf of an account, with UID and key ${how}`, async () => {
      const token = await client.clientCredentialsGrant(await discover(deploy.id, auth(deploy.key.token)));
      assert.match(token.access_token, /^tsrx_/);
      assert.equal(token.token_type, 'bearer');
      assert.equal(token.expires_in, 3600);
      assert.ok(token.scope.split(' ').includes('runs:write'));
      const { status, body } = await server.whoami(token.access_token);
      assert.deepEqual([status, body.id, body.kind, body.name, body.token.kind], [200, deploy.id, 'service_account', 'deploy', 'access']);
    });

    test(`is refused with a wrong key ${how}`, async () => {
      for (const key of [UNKNOWN, 'x', server.owner, service.secret]) {
        const asked = discover(deploy.id, auth(key)).then((config) => client.clientCredentialsGrant(config));
        // In the header the challenge is told, in the form the error.
        await assert.rejects(asked, (told) => told.status === 401);
      }
      const other = await server.account(`other ${how}`, 'member');
      await assert.rejects(discover(deploy.id, auth(other.key.token)).then((config) => client.clientCredentialsGrant(config)));
    });
  }

  test('gets a session for a part of what the account may do, and never for more', async () => {
    const config = await discover(deploy.id, client.ClientSecretPost(deploy.key.token));
    const token = await client.clientCredentialsGrant(config, { scope: 'runs:read jobs:write' });
    assert.deepEqual(token.scope.split(' ').sort(), ['jobs:read', 'jobs:write', 'runs:read']);
    const { body } = await server.whoami(token.access_token);
    assert.deepEqual(body.permissions.sort(), ['jobs:write', 'runs:read']);
    await fails(client.clientCredentialsGrant(config, { scope: 'settings:write' }), 'invalid_scope');
    await fails(client.clientCredentialsGrant(config, { scope: 'no such thing' }), 'invalid_scope');
  });

  test('says how long a session is to last, 12 hours at most', async () => {
    const config = await discover(deploy.id, client.ClientSecretPost(deploy.key.token));
    assert.equal((await client.clientCredentialsGrant(config, { expires_in: '60' })).expires_in, 60);
    assert.equal((await client.clientCredentialsGrant(config, { expires_in: '43200' })).expires_in, 43200);
    for (const bad of ['0', '43201', '-1', '1.5', 'x']) {
      await fails(client.clientCredentialsGrant(config, { expires_in: bad }), 'invalid_request');
    }
  });

  test('reads what an access token is by introspection', async () => {
    const config = await discover(deploy.id, client.ClientSecretPost(deploy.key.token));
    const token = await client.clientCredentialsGrant(config, { scope: 'runs:write', expires_in: '600' });
    const found = await active(token.access_token);
    assert.deepEqual([found.active, found.sub, found.scope, found.token_type], [true, deploy.id, 'runs:read runs:write', 'Bearer']);
    assert.ok(found.exp - found.iat <= 600 && found.exp - found.iat > 590);
  });

  test('exchanges a token for a narrower one, and never for a wider one', async () => {
    const narrow = await exchange(deploy.key.token, { scope: 'runs:read jobs:read' });
    assert.equal(narrow.issued_token_type, ACCESS_TOKEN);
    assert.equal(narrow.token_type, 'bearer');
    assert.deepEqual(narrow.scope.split(' ').sort(), ['jobs:read', 'runs:read']);
    const narrower = await exchange(narrow.access_token, { scope: 'runs:read' });
    assert.deepEqual((await server.whoami(narrower.access_token)).body.permissions, ['runs:read']);
    await fails(exchange(narrower.access_token, { scope: 'jobs:read' }), 'invalid_scope');
    await fails(exchange(narrower.access_token, { scope: 'runs:write' }), 'invalid_scope');
    const same = await exchange(narrower.access_token);
    assert.deepEqual((await server.whoami(same.access_token)).body.permissions, ['runs:read']);
  });

  test('an access token never outlives the one that it was exchanged from', async () => {
    const short = await exchange(deploy.key.token, { expires_in: '60' });
    assert.ok((await exchange(short.access_token, { expires_in: '3600' })).expires_in <= 60);
  });

  test('exchanges every kind of token for one of the same principal, and no service secret', async () => {
    const team = await server.api('POST', '/organizations/acme/teams/platform/token');
    const organization = await server.api('POST', '/organizations/acme/token');
    const service_ = await server.api('POST', '/organizations/acme/service-tokens', {
      name: 'reports', grants: [{ permission_set: 'read_only', projects: 'all' }],
    });
    for (const token of [server.owner, team.token, organization.token, service_.token, deploy.key.token]) {
      const before = (await server.whoami(token)).body;
      const after_ = (await server.whoami((await exchange(token)).access_token)).body;
      assert.deepEqual([after_.id, after_.kind, after_.permissions], [before.id, before.kind, before.permissions]);
    }
    await fails(exchange(service.secret), 'invalid_request');
    await fails(exchange(UNKNOWN), 'invalid_request');
    await fails(exchange(deploy.key.token, { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }), 'invalid_request');
  });

  test('revokes a token, which is then refused everywhere', async () => {
    const token = (await exchange(deploy.key.token)).access_token;
    assert.equal((await server.whoami(token)).status, 200);
    await client.tokenRevocation(await anybody(), token);
    assert.equal((await server.whoami(token)).status, 401);
    assert.deepEqual(await active(token), { active: false });
    await fails(exchange(token), 'invalid_request');
  });

  test('revokes what is unknown or over without a complaint', async () => {
    const token = (await exchange(deploy.key.token)).access_token;
    for (const it of [token, token, UNKNOWN, 'x']) await client.tokenRevocation(await anybody(), it);
    assert.equal((await server.whoami(deploy.key.token)).status, 200);
  });

  test('a token that ends takes with it what it was exchanged into', async () => {
    const account = await server.account('ends', 'member');
    const at = `/organizations/acme/service-accounts/${account.id}`;
    const first = (await exchange(account.key.token)).access_token;
    const second = (await exchange(first)).access_token;
    await server.api('POST', `${at}/disable`);
    for (const token of [first, second]) assert.equal((await server.whoami(token)).status, 401);
    await server.api('POST', `${at}/enable`);
    for (const token of [first, second]) assert.deepEqual((await active(token)).active, true);
    await server.api('DELETE', `${at}/tokens/${account.key.id}`);
    for (const token of [first, second]) {
      assert.equal((await server.whoami(token)).status, 401);
      assert.deepEqual(await active(token), { active: false });
    }
  });

  test('an access token loses what its account loses', async () => {
    const account = await server.account('loses', 'member');
    const token = (await exchange(account.key.token, { scope: 'runs:write' })).access_token;
    await server.api('PATCH', `/organizations/acme/service-accounts/${account.id}`, { role: 'read_only' });
    const { body } = await server.whoami(token);
    assert.ok(!body.permissions.includes('runs:write'), body.permissions.join(' '));
  });

  test('answers are not kept by anybody on the way', async () => {
    const answer = await fetch(`${server.url}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: deploy.id, client_secret: deploy.key.token }),
    });
    assert.deepEqual([answer.status, answer.headers.get('cache-control')], [200, 'no-store']);
  });

  test('what is missing, doubled or unknown is told in the words of OAuth', async () => {
    for (const [form, error] of [
      ['', 'invalid_request'], ['grant_type=', 'invalid_request'], ['grant_type=password&username=a&password=b', 'unsupported_grant_type'],
      ['grant_type=client_credentials&grant_type=client_credentials', 'invalid_request'],
      [`grant_type=${EXCHANGE}`, 'invalid_request'],
      [`grant_type=${EXCHANGE}&subject_token=${deploy.key.token}`, 'invalid_request'],
      [`grant_type=${EXCHANGE}&subject_token_type=${ACCESS_TOKEN}`, 'invalid_request'],
    ]) {
      const answer = await fetch(`${server.url}/oauth2/token`, {
        method: 'POST', body: form, headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      assert.equal(answer.status, 400, form);
      assert.equal((await answer.json()).error, error, form);
    }
  });
});

describe('Authlib', () => {
  const ask = (more) => authlib({ url: server.url, id: deploy.id, secret: deploy.key.token, ...more });

  for (const method of ['client_secret_basic', 'client_secret_post']) {
    test(`opens a session on behalf of an account by ${method}`, async () => {
      const { token } = await ask({ do: 'client_credentials', method, scope: 'runs:read' });
      assert.match(token.access_token, /^tsrx_/);
      assert.deepEqual([token.token_type, token.expires_in, token.scope], ['Bearer', 3600, 'runs:read']);
      const refused = await ask({ do: 'client_credentials', method, secret: UNKNOWN });
      assert.equal(refused.error, 'invalid_client');
    });
  }

  test('calls the JSON API with the session that it opened', async () => {
    const { status, body } = await ask({ do: 'call' });
    assert.deepEqual([status, body.id, body.kind, body.token.kind], [200, deploy.id, 'service_account', 'access']);
  });

  test('introspects and revokes an access token', async () => {
    const { token } = await ask({ do: 'client_credentials' });
    const as = { id: service.id, secret: service.secret, token: token.access_token };
    assert.equal((await ask({ do: 'introspect', ...as })).body.active, true);
    assert.equal((await ask({ do: 'revoke', token: token.access_token })).status, 200);
    assert.deepEqual((await ask({ do: 'introspect', ...as })).body, { active: false });
  });
});
