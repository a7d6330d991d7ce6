-- Access tokens, attribution, and more about the last use. SQLite cannot
-- change a CHECK, so tokens and what hangs on them are made anew. The twin of
-- this file for PostgreSQL ends with the same tables and columns.

-- An access token acts as the principal of the token that it was exchanged
-- for (source, and the very value of it), or of an external identity (no
-- source). Narrowed from another access token, it ends with that one (parent).
CREATE TABLE all_tokens (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    service_account_id TEXT REFERENCES service_accounts (id) ON DELETE CASCADE,
    person_id TEXT REFERENCES people (id) ON DELETE CASCADE,
    team_id TEXT REFERENCES teams (id) ON DELETE CASCADE,
    service_id TEXT REFERENCES services (id) ON DELETE CASCADE,
    acts_as TEXT,
    source_id TEXT REFERENCES all_tokens (id) ON DELETE CASCADE,
    source_value BLOB,
    parent_id TEXT REFERENCES all_tokens (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    allowed_addresses TEXT NOT NULL,
    permissions TEXT,
    created_by TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    regenerated_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_address TEXT,
    last_used_agent TEXT,
    last_used_service TEXT,
    version BIGINT NOT NULL,
    CHECK ((organization_id IS NULL) = (person_id IS NOT NULL)),
    CHECK (kind = 'access' OR (person_id IS NOT NULL) = (kind = 'personal')),
    CHECK (kind = 'access' OR (service_account_id IS NOT NULL) = (kind = 'service_account')),
    CHECK (kind = 'access' OR (team_id IS NOT NULL) = (kind = 'team')),
    CHECK ((service_id IS NOT NULL) = (kind = 'service_secret')),
    CHECK ((acts_as IS NOT NULL) = (kind = 'access')),
    CHECK ((source_id IS NULL) = (source_value IS NULL))
);
INSERT INTO all_tokens
    SELECT id, kind, organization_id, service_account_id, person_id, team_id, service_id, NULL, NULL, NULL, NULL,
        name, description, allowed_addresses, permissions, created_by, created_by_name, created_at, regenerated_at,
        expires_at, revoked_at, last_used_at, last_used_address, NULL, NULL, 0
    FROM tokens;
CREATE TABLE all_values (
    hash BLOB PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES all_tokens (id) ON DELETE CASCADE,
    hint TEXT NOT NULL,
    stops_at BIGINT,
    last_used_at BIGINT
);
INSERT INTO all_values SELECT hash, token_id, hint, stops_at, last_used_at FROM token_values;
CREATE TABLE all_calls (
    token_id TEXT NOT NULL REFERENCES all_tokens (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    address TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (token_id, day, address)
);
INSERT INTO all_calls SELECT token_id, day, address, calls FROM token_calls;
DROP TABLE token_calls;
DROP TABLE token_values;
DROP TABLE tokens;
ALTER TABLE all_tokens RENAME TO tokens;
ALTER TABLE all_values RENAME TO token_values;
ALTER TABLE all_calls RENAME TO token_calls;
CREATE INDEX tokens_service_account ON tokens (service_account_id, kind, id);
CREATE INDEX tokens_person ON tokens (person_id, kind, id);
CREATE INDEX tokens_service ON tokens (service_id);
CREATE INDEX tokens_source ON tokens (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX tokens_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tokens_organization ON tokens (organization_id, kind, id);
CREATE INDEX tokens_access_end ON tokens (expires_at) WHERE kind = 'access';
CREATE INDEX tokens_living ON tokens (organization_id, id) WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX tokens_endless ON tokens (organization_id, id)
    WHERE revoked_at IS NULL AND kind <> 'access' AND expires_at IS NULL;
CREATE INDEX tokens_end ON tokens (organization_id, expires_at, id) WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX tokens_used ON tokens (organization_id, (COALESCE(last_used_at, created_at)), id)
    WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX tokens_creator ON tokens (organization_id, created_by);
CREATE INDEX token_values_token ON token_values (token_id);
CREATE UNIQUE INDEX tokens_team ON tokens (team_id) WHERE kind = 'team' AND revoked_at IS NULL;
CREATE INDEX tokens_of_team ON tokens (team_id);
CREATE UNIQUE INDEX tokens_of_organization ON tokens (organization_id)
    WHERE kind = 'organization' AND revoked_at IS NULL;
CREATE INDEX token_calls_day ON token_calls (day);

-- Access tokens are forgotten a day after their end; the account remembers.
ALTER TABLE service_accounts ADD COLUMN last_used_at BIGINT;
ALTER TABLE service_accounts ADD COLUMN last_used_address TEXT;
UPDATE service_accounts SET
    last_used_at = (SELECT MAX(t.last_used_at) FROM tokens t WHERE t.service_account_id = service_accounts.id),
    last_used_address = (SELECT t.last_used_address FROM tokens t WHERE t.service_account_id = service_accounts.id
        AND t.last_used_at IS NOT NULL ORDER BY t.last_used_at DESC LIMIT 1);

-- Calls of a service account, whatever token it came with.
CREATE TABLE account_calls (
    service_account_id TEXT NOT NULL REFERENCES service_accounts (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    address TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (service_account_id, day, address)
);
CREATE INDEX account_calls_day ON account_calls (day);
INSERT INTO account_calls SELECT t.service_account_id, c.day, c.address, SUM(c.calls) FROM token_calls c
    JOIN tokens t ON t.id = c.token_id WHERE t.service_account_id IS NOT NULL
    GROUP BY t.service_account_id, c.day, c.address;

-- For whom a service account worked, a day (days since 1970, UTC) and team.
CREATE TABLE attributions (
    service_account_id TEXT NOT NULL REFERENCES service_accounts (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    username TEXT NOT NULL,
    team TEXT NOT NULL,
    calls BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (service_account_id, day, username, team)
);
CREATE INDEX attributions_day ON attributions (day);

ALTER TABLE audit_events ADD COLUMN on_behalf_of TEXT;
ALTER TABLE audit_events ADD COLUMN for_team TEXT;
