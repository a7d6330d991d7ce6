// The API against its own description, as schemathesis attacks it: every check
// that it has, with an owner's token and with a narrow one.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { run } from './parts.js';
import { tessera } from './tessera.js';

const schemathesis = process.env.TESSERA_SCHEMATHESIS ?? new URL('.python/bin/schemathesis', import.meta.url).pathname;

describe('schemathesis', { timeout: 600_000 }, () => {
  let server;
  let tokens;
  let config;
  before(async () => {
    // One program asks for everything here: what is refused as too much would not be looked at.
    server = await tessera([
      '--allow-private-issuers', 'true', '--log', 'warn',
      '--limits-requests-per-person', '100000', '--limits-requests-per-network', '100000',
    ]);
    const narrow = await server.account('narrow', 'job_viewer');
    tokens = { owner: server.owner, narrow: narrow.key.token };
    config = join(server.folder, 'schemathesis.toml');
    // What a schema cannot say is refused with 422 and told field by field: times that have passed, names of things
    // that are not there, cursors of other lists; and 412 for an ETag that was never given.
    writeFileSync(config, `
base-url = "${server.url}/api/v1"
request-timeout = 20
[parameters]
"path.org" = "acme"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429"]
# A team has no token until one is generated: reading and deleting it is then a 404.
[[operations]]
include-operation-id = ["getTeamToken", "deleteTeamToken"]
checks.ensure_resource_availability.enabled = false
[generation]
max-examples = ${process.env.EXAMPLES ?? 25}
`);
  });
  after(() => server?.end());

  const attack = (who, choice) => run(schemathesis, [
    '--config-file', config, 'run', '--generation-deterministic', '-H', `Authorization: Bearer ${tokens[who]}`,
    ...choice, `${server.url}/api/openapi.json`,
  ]);
  // These would end the token or the organization that all the others need.
  const ENDS = ['deleteOrganization', 'revokeItself'];
  const without = (names) => names.flatMap((name) => ['--exclude-operation-id', name]);

  for (const who of ['narrow', 'owner']) {
    test(`finds no fault, no undocumented answer and no broken promise with the ${who}'s token`, async () => {
      const told = await attack(who, without([...ENDS, 'editOrganization']));
      assert.match(told, /\d+ passed/);
      assert.equal((await server.whoami(tokens[who])).status, 200, 'the token still works afterwards');
    });
  }

  test('finds none where an owner edits the organization', async () => {
    assert.match(await attack('owner', ['--include-operation-id', 'editOrganization', '--phases', 'examples,coverage,fuzzing']), /\d+ passed/);
  });
});
