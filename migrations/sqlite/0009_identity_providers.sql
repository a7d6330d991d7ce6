-- A pair of issuer and audience belongs to each organization that trusts it:
-- nobody can take it away from others. Assertions with an id are taken once.
-- SQLite drops no constraint, so the table is made anew; accounts refer to its
-- rows again as soon as they are back, before the transaction ends.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE identity_providers_before AS SELECT * FROM identity_providers;
DROP TABLE identity_providers;
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
    UNIQUE (organization_id, issuer, audience),
    UNIQUE (organization_id, name_folded)
);
INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, created_at, version)
    SELECT id, organization_id, name, name_folded, issuer, audience, created_by_name, created_at, version
    FROM identity_providers_before;
DROP TABLE identity_providers_before;
CREATE INDEX identity_providers_pair ON identity_providers (issuer, audience);

CREATE TABLE used_assertions (
    hash BLOB PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_assertions_end ON used_assertions (expires_at);
