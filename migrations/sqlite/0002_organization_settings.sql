-- Projects, grants, permission sets, services, identity providers, policies,
-- and tokens of every kind. The twin of this file for PostgreSQL ends with the
-- same tables and columns.

ALTER TABLE organizations ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    visibility TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, slug)
);
CREATE INDEX projects_team ON projects (team_id);
-- The owners team comes first.
CREATE INDEX teams_listed ON teams (organization_id, (CASE WHEN is_owners THEN '' ELSE slug END), id);

-- A permission set that a principal holds: for all projects (NULL) or for one.
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    principal_id TEXT NOT NULL,
    permission_set TEXT NOT NULL,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX grants_principal ON grants (principal_id);
CREATE INDEX grants_project ON grants (project_id, principal_id);
CREATE INDEX grants_set ON grants (organization_id, permission_set);

CREATE TABLE permission_sets (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    level TEXT NOT NULL,
    permissions TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, slug)
);

CREATE TABLE services (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    accepted_kinds TEXT NOT NULL,
    disabled_at BIGINT,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (organization_id, name_folded)
);

CREATE TABLE identity_providers (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    issuer TEXT NOT NULL,
    audience TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (issuer, audience),
    UNIQUE (organization_id, name_folded)
);

ALTER TABLE service_accounts ADD COLUMN allowed_addresses TEXT NOT NULL DEFAULT '';
ALTER TABLE service_accounts ADD COLUMN self_rotation BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE service_accounts ADD COLUMN authentication TEXT NOT NULL DEFAULT 'api_key';
ALTER TABLE service_accounts ADD COLUMN identity_provider_id TEXT REFERENCES identity_providers (id);
ALTER TABLE service_accounts ADD COLUMN identity_subject TEXT;
ALTER TABLE service_accounts ADD COLUMN identity_conditions TEXT NOT NULL DEFAULT '{}';
CREATE INDEX service_accounts_identity ON service_accounts (identity_provider_id, identity_subject);
CREATE INDEX service_accounts_creator ON service_accounts (organization_id, created_by);

-- Whose a token is: exactly one of account, person, team, service; or the
-- organization's own (the organization token, service tokens).
CREATE TABLE all_tokens (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    service_account_id TEXT REFERENCES service_accounts (id) ON DELETE CASCADE,
    person_id TEXT REFERENCES people (id) ON DELETE CASCADE,
    team_id TEXT REFERENCES teams (id) ON DELETE CASCADE,
    service_id TEXT REFERENCES services (id) ON DELETE CASCADE,
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
    CHECK ((organization_id IS NULL) = (kind = 'personal')),
    CHECK ((person_id IS NOT NULL) = (kind = 'personal')),
    CHECK ((service_account_id IS NOT NULL) = (kind = 'service_account')),
    CHECK ((team_id IS NOT NULL) = (kind = 'team')),
    CHECK ((service_id IS NOT NULL) = (kind = 'service_secret'))
);
INSERT INTO all_tokens
    SELECT t.id, t.kind, a.organization_id, t.service_account_id, t.person_id, NULL, NULL, t.name, '', '', NULL,
        t.created_by, t.created_by_name, t.created_at, t.regenerated_at, t.expires_at, t.revoked_at,
        t.last_used_at, t.last_used_address
    FROM tokens t LEFT JOIN service_accounts a ON a.id = t.service_account_id;
CREATE TABLE all_values (
    hash BLOB PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES all_tokens (id) ON DELETE CASCADE,
    hint TEXT NOT NULL,
    stops_at BIGINT,
    last_used_at BIGINT
);
INSERT INTO all_values SELECT hash, token_id, hint, stops_at, last_used_at FROM token_values;
DROP TABLE token_values;
DROP TABLE tokens;
ALTER TABLE all_tokens RENAME TO tokens;
ALTER TABLE all_values RENAME TO token_values;
CREATE INDEX tokens_service_account ON tokens (service_account_id);
CREATE INDEX tokens_person ON tokens (person_id);
CREATE INDEX tokens_service ON tokens (service_id);
CREATE INDEX tokens_organization ON tokens (organization_id, kind, id);
-- For the one list of all tokens: those that live, by age, by end, by last use.
CREATE INDEX tokens_living ON tokens (organization_id, id) WHERE revoked_at IS NULL;
CREATE INDEX tokens_endless ON tokens (organization_id, id) WHERE revoked_at IS NULL AND expires_at IS NULL;
CREATE INDEX tokens_end ON tokens (organization_id, expires_at, id) WHERE revoked_at IS NULL;
CREATE INDEX tokens_used ON tokens (organization_id, (COALESCE(last_used_at, created_at)), id) WHERE revoked_at IS NULL;
CREATE INDEX tokens_creator ON tokens (organization_id, created_by);
CREATE INDEX token_values_token ON token_values (token_id);
-- One living token a team, one an organization.
CREATE UNIQUE INDEX tokens_team ON tokens (team_id) WHERE team_id IS NOT NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX tokens_of_organization ON tokens (organization_id)
    WHERE kind = 'organization' AND revoked_at IS NULL;

-- Calls a token and day (days since 1970, UTC), from each address.
CREATE TABLE token_calls (
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    address TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (token_id, day, address)
);
CREATE INDEX token_calls_day ON token_calls (day);

-- A username never changes, so that members are listed by it without looking
-- at everybody of the installation.
ALTER TABLE memberships ADD COLUMN username TEXT NOT NULL DEFAULT '';
UPDATE memberships SET username = (SELECT p.username FROM people p WHERE p.id = memberships.person_id);
CREATE UNIQUE INDEX memberships_username ON memberships (organization_id, username);
CREATE INDEX memberships_role ON memberships (organization_id, role, username);
CREATE INDEX audit_events_actor ON audit_events (organization_id, actor_id, id);
CREATE INDEX audit_events_action ON audit_events (organization_id, action, id);
