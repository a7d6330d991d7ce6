// Federated accounts: a real identity provider vouches for a program, which
// keeps no secret of Tessera.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as client from 'openid-client';

import { identityProvider } from './identity-provider.js';
import { until } from './parts.js';
import { tessera } from './tessera.js';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const AUDIENCE = 'https://tessera.example';

let server;
let idp;
let provider;
let account;
before(async () => {
  server = await tessera(['--allow-private-issuers', 'true']);
  idp = await identityProvider({ claims: { repository: 'acme/payments', protected: true, attempt: 1, groups: ['a'] } });
  provider = await server.api('POST', '/organizations/acme/identity-providers', { name: 'ci', issuer: idp.issuer, audience: AUDIENCE });
  account = await federated('from-ci', { subject: 'ci-deploy' });
});
after(async () => {
  await idp?.stop();
  await server?.end();
});

const federated = (name, identity, more = {}) =>
  server.account(name, 'member', { authentication: 'federated', identity: { provider: provider.id, ...identity }, ...more });

// As a program does it: a form, nothing else.
async function exchange(assertion, more = {}) {
  const answer = await fetch(`${server.url}/oauth2/token`, {
    method: 'POST', body: new URLSearchParams({ grant_type: JWT_BEARER, assertion, ...more }),
  });
  return { status: answer.status, ...(await answer.json()) };
}
const refused = async (assertion, says, more) => {
  const answer = await exchange(assertion, more);
  assert.deepEqual([answer.status, answer.error], [400, 'invalid_grant'], JSON.stringify(answer));
  assert.match(answer.error_description, says);
};

test('a token of the identity provider becomes an access token of the service account', async () => {
  const answer = await exchange(await idp.token('ci-deploy', AUDIENCE));
  assert.equal(answer.status, 200, JSON.stringify(answer));
  assert.match(answer.access_token, /^tsrx_/);
  assert.deepEqual([answer.token_type, answer.expires_in], ['Bearer', 3600]);
  const { status, body } = await server.whoami(answer.access_token);
  assert.equal(status, 200);
  assert.deepEqual([body.id, body.kind, body.name, body.team], [account.id, 'service_account', 'from-ci', 'platform']);
  assert.equal(body.token.kind, 'access');
});

test('a federated account has no key', async () => {
  assert.equal(account.key ?? null, null);
  assert.deepEqual((await server.api('GET', `/organizations/acme/service-accounts/${account.id}/tokens`)).items, []);
});

test('openid-client does the same, with the UID of the account as client', async () => {
  const config = await client.discovery(new URL(server.url), account.id, undefined, client.None(), {
    algorithm: 'oauth2', execute: [client.allowInsecureRequests],
  });
  const assertion = await idp.token('ci-deploy', AUDIENCE);
  const token = await client.genericGrantRequest(config, JWT_BEARER, { assertion, scope: 'runs:read', expires_in: '600' });
  assert.deepEqual([token.scope, token.expires_in], ['runs:read', 600]);
  const { body } = await server.whoami(token.access_token);
  assert.deepEqual([body.id, body.permissions], [account.id, ['runs:read']]);
});

for (const alg of ['RS256', 'PS256', 'ES256', 'ES512', 'EdDSA', 'Ed25519']) {
  test(`signatures with ${alg} are checked`, async () => {
    const assertion = await idp.token('ci-deploy', AUDIENCE, { alg });
    assert.equal(JSON.parse(Buffer.from(assertion.split('.')[0], 'base64url')).alg, alg);
    assert.equal((await exchange(assertion)).status, 200);
    const [header, claims, signature] = assertion.split('.');
    const others = { ...JSON.parse(Buffer.from(claims, 'base64url')), sub: 'ci-other' };
    const forged = [header, Buffer.from(JSON.stringify(others)).toString('base64url'), signature].join('.');
    await refused(forged, /signature/);
    await refused([header, claims, signature.replace(/^./, (it) => (it === 'A' ? 'B' : 'A'))].join('.'), /signature/);
    await refused([header, claims, ''].join('.'), /signature|JWT/);
  });
}

test('an assertion is exchanged once, on whatever node, and names its organization', async () => {
  const assertion = await idp.token('ci-deploy', AUDIENCE);
  assert.ok(JSON.parse(Buffer.from(assertion.split('.')[1], 'base64url')).jti);
  await refused(assertion, /in the organization that the request names/, { organization: 'nowhere' });
  assert.equal((await exchange(assertion, { organization: 'acme' })).status, 200);
  await refused(assertion, /exchanged already/, { organization: 'acme' });
});

test('another subject of the same identity provider is nobody', async () => {
  await refused(await idp.token('ci-other', AUDIENCE), /^No active service account has the subject ci-other and conditions that match\.$/);
});

test('a token for another audience is refused', async () => {
  await refused(await idp.token('ci-deploy', 'https://another.example'), /audience https:\/\/another\.example/);
});

test('the same subject of another issuer is nobody', async () => {
  const other = await identityProvider();
  try {
    await refused(await other.token('ci-deploy', AUDIENCE), /issuer/);
    // Trusted, but not the one that the account names.
    await server.api('POST', '/organizations/acme/identity-providers', { name: 'other', issuer: other.issuer, audience: AUDIENCE });
    await refused(await other.token('ci-deploy', AUDIENCE), /subject/);
  } finally {
    await other.stop();
  }
});

test('conditions hold exactly, or the account is not the one', async () => {
  const assertion = await idp.token('ci-other', AUDIENCE);
  const good = await federated('conditions that hold', {
    subject: 'ci-other', conditions: { repository: 'acme/payments', protected: 'true', attempt: '1' },
  });
  for (const conditions of [
    { repository: 'acme/other' }, { repository: 'acme/payments', protected: 'false' }, { repository: 'ACME/payments' },
    { repository: 'acme/payment' }, { missing: 'x' }, { groups: 'a' },
  ]) {
    const bad = await federated(JSON.stringify(conditions), { subject: 'ci-other', conditions });
    await refused(assertion, /subject|conditions/, { client_id: bad.id });
  }
  const answer = await exchange(assertion);
  assert.equal(answer.status, 200, JSON.stringify(answer));
  assert.equal((await server.whoami(answer.access_token)).body.id, good.id);
});

test('an account can be told by conditions alone, whatever the subject', async () => {
  const audience = 'https://second.example';
  const second = await server.api('POST', '/organizations/acme/identity-providers', { name: 'second', issuer: idp.issuer, audience });
  const told = await federated('told by conditions', { provider: second.id, conditions: { repository: 'acme/payments' } });
  for (const id of ['ci-deploy', 'ci-other']) {
    const answer = await exchange(await idp.token(id, audience));
    assert.equal((await server.whoami(answer.access_token)).body?.id, told.id, JSON.stringify(answer));
  }
  await server.api('PATCH', `/organizations/acme/service-accounts/${told.id}`, {
    identity: { provider: second.id, conditions: { repository: 'acme/other' } },
  });
  await refused(await idp.token('ci-deploy', audience), /conditions/);
});

test('an access token is for a part of what the account may, never for more', async () => {
  const assertion = await idp.token('ci-deploy', AUDIENCE);
  assert.equal((await exchange(assertion, { scope: 'runs:read' })).scope, 'runs:read');
  assert.equal((await exchange(assertion, { scope: 'settings:write' })).error, 'invalid_scope');
});

test('a token that has expired is refused', async () => {
  const assertion = await idp.token('ci-deploy', AUDIENCE, { ttl: '3' });
  await until('it has expired', async () => /expired/.test((await exchange(assertion)).error_description));
  await refused(assertion, /expired/);
});

test('an account that is disabled gets nothing, and what it had ends', async () => {
  const paused = await federated('paused', { subject: 'ci-deploy', conditions: { protected: 'true' } });
  const assertion = await idp.token('ci-deploy', AUDIENCE);
  const named = { client_id: paused.id };
  const { access_token: token } = await exchange(assertion, named);
  assert.equal((await server.whoami(token)).body.id, paused.id);
  await server.api('POST', `/organizations/acme/service-accounts/${paused.id}/disable`);
  await refused(assertion, /No active service account/, named);
  assert.equal((await server.whoami(token)).status, 401);
  // Two accounts fit: the program has to say which it is.
  await server.api('POST', `/organizations/acme/service-accounts/${paused.id}/enable`);
  await refused(assertion, /^Several service accounts match\. Name one by its UID in client_id\.$/);
  await server.api('DELETE', `/organizations/acme/service-accounts/${paused.id}`);
  assert.equal((await exchange(await idp.token('ci-deploy', AUDIENCE))).status, 200);
});

test('a token of Tessera is no identity', async () => {
  await refused(server.owner, /JWT/);
  await refused((await exchange(await idp.token('ci-deploy', AUDIENCE))).access_token, /JWT/);
});

test('without the setting, an identity provider on this machine is refused', async () => {
  const strict = await tessera();
  try {
    const asked = { name: 'ci', issuer: idp.issuer, audience: AUDIENCE };
    await assert.rejects(strict.api('POST', '/organizations/acme/identity-providers', asked), /422 .*https:\/\//);
  } finally {
    await strict.end();
  }
});

test('while the identity provider is down, its known keys go on', async () => {
  const assertion = await idp.token('ci-deploy', AUDIENCE);
  await idp.stop();
  try {
    assert.equal((await exchange(assertion)).status, 200);
  } finally {
    await idp.start();
  }
});

// The provider came back with new keys. An unknown key makes Tessera ask it
// again, once a minute at most; and what fails too often is made to wait.
test('after the identity provider has changed its keys, the new ones count and the old ones do not', async () => {
  const before = await idp.token('ci-deploy', AUDIENCE);
  await idp.stop();
  await idp.start();
  const now = await idp.token('ci-deploy', AUDIENCE);
  await until('the new key is known', async () => {
    const answer = await exchange(now);
    if (answer.status !== 200) assert.equal(answer.error, 'invalid_grant', JSON.stringify(answer));
    return answer.status === 200;
  }, 150, 500);
  const { access_token: token } = await exchange(await idp.token('ci-deploy', AUDIENCE));
  assert.equal((await server.whoami(token)).body.id, account.id);
  await refused(before, /key/);
});
