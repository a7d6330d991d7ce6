-- Access tokens, attribution, and more about the last use. The twin of this
-- file for SQLite ends with the same tables and columns.

-- An access token acts as the principal of the token that it was exchanged
-- for (source, and the very value of it), or of an external identity (no
-- source). Narrowed from another access token, it ends with that one (parent).
ALTER TABLE tokens DROP CONSTRAINT tokens_check;
ALTER TABLE tokens DROP CONSTRAINT tokens_check1;
ALTER TABLE tokens DROP CONSTRAINT tokens_check2;
ALTER TABLE tokens DROP CONSTRAINT tokens_check3;
ALTER TABLE tokens DROP CONSTRAINT tokens_check4;
ALTER TABLE tokens ADD COLUMN acts_as TEXT;
ALTER TABLE tokens ADD COLUMN source_id TEXT REFERENCES tokens (id) ON DELETE CASCADE;
ALTER TABLE tokens ADD COLUMN source_value BYTEA;
ALTER TABLE tokens ADD COLUMN parent_id TEXT REFERENCES tokens (id) ON DELETE CASCADE;
ALTER TABLE tokens ADD COLUMN last_used_agent TEXT;
ALTER TABLE tokens ADD COLUMN last_used_service TEXT;
ALTER TABLE tokens ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tokens ALTER COLUMN version DROP DEFAULT;
ALTER TABLE tokens ADD CHECK ((organization_id IS NULL) = (person_id IS NOT NULL));
ALTER TABLE tokens ADD CHECK (kind = 'access' OR (person_id IS NOT NULL) = (kind = 'personal'));
ALTER TABLE tokens ADD CHECK (kind = 'access' OR (service_account_id IS NOT NULL) = (kind = 'service_account'));
ALTER TABLE tokens ADD CHECK (kind = 'access' OR (team_id IS NOT NULL) = (kind = 'team'));
ALTER TABLE tokens ADD CHECK ((service_id IS NOT NULL) = (kind = 'service_secret'));
ALTER TABLE tokens ADD CHECK ((acts_as IS NOT NULL) = (kind = 'access'));
ALTER TABLE tokens ADD CHECK ((source_id IS NULL) = (source_value IS NULL));
DROP INDEX tokens_service_account;
DROP INDEX tokens_person;
DROP INDEX tokens_living;
DROP INDEX tokens_endless;
DROP INDEX tokens_end;
DROP INDEX tokens_used;
DROP INDEX tokens_team;
CREATE INDEX tokens_service_account ON tokens (service_account_id, kind, id);
CREATE INDEX tokens_person ON tokens (person_id, kind, id);
CREATE INDEX tokens_source ON tokens (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX tokens_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tokens_access_end ON tokens (expires_at) WHERE kind = 'access';
CREATE INDEX tokens_living ON tokens (organization_id, id) WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX tokens_endless ON tokens (organization_id, id)
    WHERE revoked_at IS NULL AND kind <> 'access' AND expires_at IS NULL;
CREATE INDEX tokens_end ON tokens (organization_id, expires_at, id) WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX tokens_used ON tokens (organization_id, (COALESCE(last_used_at, created_at)), id)
    WHERE revoked_at IS NULL AND kind <> 'access';
CREATE UNIQUE INDEX tokens_team ON tokens (team_id) WHERE kind = 'team' AND revoked_at IS NULL;
CREATE INDEX tokens_of_team ON tokens (team_id);

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
