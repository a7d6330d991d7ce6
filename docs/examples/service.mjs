// A service that takes the tokens of machine accounts, and asks Tessera about
// each. Needs: Node 20, nothing else.
//
//   export TESSERA_SERVICE_ID=svc_... TESSERA_SERVICE_SECRET=tsrr_...
//   node service.mjs
//   curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9000/runs
//
// GET /runs takes runs:read on the project payments, POST /runs takes runs:write.
import { createServer } from 'node:http';

const { TESSERA_URL = 'http://127.0.0.1:8080', LISTEN = '127.0.0.1:9000' } = process.env;
const { TESSERA_SERVICE_ID, TESSERA_SERVICE_SECRET } = process.env;
if (!TESSERA_SERVICE_ID || !TESSERA_SERVICE_SECRET) {
  throw new Error('TESSERA_SERVICE_ID and TESSERA_SERVICE_SECRET are needed');
}
const SERVICE = `Basic ${Buffer.from(`${TESSERA_SERVICE_ID}:${TESSERA_SERVICE_SECRET}`).toString('base64')}`;
const PROJECT = 'payments';
const MILLISECONDS = 2000;

// What the caller is told instead of an answer.
class Refused extends Error {
  constructor(status, challenge) {
    super(String(status));
    Object.assign(this, { status, challenge });
  }
}

// Asks Tessera. Without a clear answer nobody gets in: 503, never a guess.
// Nothing is remembered between two requests. A token that is revoked, or an
// account that is disabled, is then refused with the very next one.
async function ask(path, type, body) {
  try {
    const answer = await fetch(TESSERA_URL + path, {
      method: 'POST',
      headers: { Authorization: SERVICE, 'Content-Type': type },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(MILLISECONDS),
    });
    // 401: the secret of this service is wrong.
    if (answer.status !== 200) throw new Error(`Tessera answered ${answer.status}`);
    return await answer.json();
  } catch (cause) {
    console.error(cause.message);
    throw new Refused(503);
  }
}

// Whose token a request carries.
async function caller(request) {
  const sent = request.headersDistinct.authorization ?? [];
  if (sent.length === 0) throw new Refused(401, 'Bearer realm="payments"');
  const bad = new Refused(401, 'Bearer realm="payments", error="invalid_token"');
  const token = sent.length === 1 ? sent[0].match(/^bearer +(\S+) *$/i)?.[1] : undefined;
  if (!token) throw bad;
  const about = new URLSearchParams({
    token,
    client_address: request.socket.remoteAddress,
    on_behalf_of: request.headers['tessera-on-behalf-of'] ?? '',
  });
  const found = await ask('/oauth2/introspect', 'application/x-www-form-urlencoded', about.toString());
  if (found.active !== true) throw bad;
  return { token, found };
}

// Goes on only if the token may do this.
async function demand(request, token, permission) {
  const answer = await ask('/access/v1/evaluation', 'application/json', JSON.stringify({
    subject: { type: 'token', id: token },
    action: { name: permission },
    resource: { type: 'project', id: PROJECT },
    context: { client_address: request.socket.remoteAddress },
  }));
  if (answer.decision !== true) {
    throw new Refused(403, `Bearer realm="payments", error="insufficient_scope", scope="${permission}"`);
  }
}

async function serve(request) {
  const { token, found } = await caller(request);
  await demand(request, token, request.method === 'GET' ? 'runs:read' : 'runs:write');
  if (request.url !== '/runs') throw new Refused(404);
  return { subject: found.sub, for: found.tessera.attributed_to };
}

const server = createServer(async (request, response) => {
  request.resume();
  response.setHeader('Content-Type', 'application/json');
  try {
    response.end(JSON.stringify(await serve(request)));
  } catch (refused) {
    if (refused.challenge) response.setHeader('WWW-Authenticate', refused.challenge);
    response.statusCode = refused.status ?? 500;
    response.end(JSON.stringify({ status: response.statusCode }));
  }
});
const [host, port] = LISTEN.split(/:(?=\d+$)/);
server.listen(Number(port), host, () => console.log(`Payments listens on http://${host}:${server.address().port}`));
