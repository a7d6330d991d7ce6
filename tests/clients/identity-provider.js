// A real identity provider, oidc-provider, on a port of its own. Its clients get
// JWT access tokens whose subject they are.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import * as client from 'openid-client';
import { Provider } from 'oidc-provider';

import { freePort } from './parts.js';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  EdDSA: ['ed25519', {}],
  Ed25519: ['ed25519', {}],
};

// A new key that signs with this algorithm.
const key = (alg) => ({ ...generateKeyPairSync(...KINDS[alg]).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() });

export async function identityProvider({ clients = ['ci-deploy', 'ci-other'], claims = {} } = {}) {
  const it = { port: await freePort() };
  it.issuer = `http://127.0.0.1:${it.port}`;
  let server;
  // Starts it with new keys: after a stop, those of before are gone.
  it.start = async () => {
    const provider = new Provider(it.issuer, {
      clients: clients.map((id) => ({
        client_id: id, client_secret: 'a secret of the identity provider', grant_types: ['client_credentials'],
        redirect_uris: [], response_types: [],
      })),
      jwks: { keys: Object.keys(KINDS).map(key) },
      extraTokenClaims: () => claims,
      ttl: { ClientCredentials: (_, token) => token.resourceServer?.accessTokenTTL ?? 300 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          // The resource is the audience; its query says how the token is made.
          getResourceServerInfo: (_, resource) => {
            const asked = new URL(resource);
            return {
              scope: '',
              audience: asked.origin,
              accessTokenFormat: 'jwt',
              accessTokenTTL: Number(asked.searchParams.get('ttl') ?? 300),
              jwt: { sign: { alg: asked.searchParams.get('alg') ?? 'RS256' } },
            };
          },
        },
      },
    });
    const answer = provider.callback();
    server = createServer((request, response) => {
      // No connection of before is left after a new start.
      response.setHeader('Connection', 'close');
      answer(request, response);
    });
    await new Promise((resolve) => server.listen(it.port, '127.0.0.1', resolve));
  };
  it.stop = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  // A token for an audience, as a program gets one.
  it.token = async (id, audience, more = {}) => {
    const config = await client.discovery(new URL(it.issuer), id, undefined, client.ClientSecretBasic('a secret of the identity provider'), {
      execute: [client.allowInsecureRequests],
    });
    const resource = new URL(audience);
    for (const [name, value] of Object.entries(more)) resource.searchParams.set(name, value);
    return (await client.clientCredentialsGrant(config, { resource: resource.href })).access_token;
  };
  await it.start();
  return it;
}
