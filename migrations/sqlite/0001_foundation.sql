-- People, organizations, teams, service accounts, tokens, sessions, audit.
-- Times are microseconds since the Unix epoch, UTC. The twin of this file for
-- PostgreSQL has the same tables and columns.

CREATE TABLE installation (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    created_at BIGINT NOT NULL
);

CREATE TABLE people (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    person_id TEXT REFERENCES people (id) ON DELETE CASCADE,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_seen ON sessions (last_seen_at);

CREATE TABLE throttles (
    key BLOB PRIMARY KEY,
    failures BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX throttles_until ON throttles (until);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, person_id)
);
CREATE INDEX memberships_person ON memberships (person_id);

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    visibility TEXT NOT NULL,
    role TEXT NOT NULL,
    members_manage_token BOOLEAN NOT NULL,
    is_owners BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, slug)
);

CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, person_id)
);
CREATE INDEX team_members_person ON team_members (person_id);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL UNIQUE,
    email TEXT,
    role TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX invitations_organization ON invitations (organization_id, id);

CREATE TABLE invitation_teams (
    invitation_id TEXT NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (invitation_id, team_id)
);
CREATE INDEX invitation_teams_team ON invitation_teams (team_id);

CREATE TABLE service_accounts (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    comment TEXT NOT NULL,
    scope TEXT NOT NULL,
    team_id TEXT REFERENCES teams (id),
    default_team_id TEXT REFERENCES teams (id),
    role TEXT NOT NULL,
    expires_at BIGINT,
    disabled_at BIGINT,
    deleted_at BIGINT,
    created_by TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CHECK ((scope = 'team') = (team_id IS NOT NULL)),
    CHECK ((scope = 'organization') = (default_team_id IS NOT NULL))
);
-- A name is free again once its account is deleted.
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (organization_id, name_folded)
    WHERE deleted_at IS NULL;
CREATE INDEX service_accounts_team ON service_accounts (team_id);
CREATE INDEX service_accounts_default_team ON service_accounts (default_team_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    service_account_id TEXT REFERENCES service_accounts (id) ON DELETE CASCADE,
    person_id TEXT REFERENCES people (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    regenerated_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_address TEXT,
    CHECK ((service_account_id IS NULL) <> (person_id IS NULL))
);
CREATE INDEX tokens_service_account ON tokens (service_account_id);
CREATE INDEX tokens_person ON tokens (person_id);

-- The values that live under a token: the one in force, and while an overlap
-- lasts the one before it. Only hashes: a value is shown once and kept nowhere.
CREATE TABLE token_values (
    hash BLOB PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    hint TEXT NOT NULL,
    stops_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX token_values_token ON token_values (token_id);

-- A value on its way to the one page that shows it, sealed with the session's id.
CREATE TABLE reveals (
    session_hash BLOB NOT NULL,
    token_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (session_hash, token_id)
);
CREATE INDEX reveals_expires ON reveals (expires_at);

-- Forms and requests that were carried out, so that a second submit finds the first's outcome.
CREATE TABLE submissions (
    key BLOB PRIMARY KEY,
    outcome TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX submissions_created ON submissions (created_at);

CREATE TABLE audit_events (
    id TEXT PRIMARY KEY,
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    token_id TEXT,
    action TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    target_name TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT,
    request_id TEXT NOT NULL,
    before TEXT,
    after TEXT
);
CREATE INDEX audit_events_organization ON audit_events (organization_id, id);
CREATE INDEX audit_events_target ON audit_events (target_id, id);
