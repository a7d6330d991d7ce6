-- What is searched for by a part of its text: an entry for each, and a row for
-- each three characters in a row that it holds, in the order in which lists
-- show them. They are made by src/platform/search.rs, for what was there before
-- this too.
CREATE TABLE search_texts (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    list TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    sort_key TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (organization_id, list, sort_key, entry_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX search_texts_entry ON search_texts (organization_id, list, entry_id);
CREATE TABLE search_grams (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    list TEXT NOT NULL,
    gram TEXT NOT NULL,
    sort_key TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, list, gram, sort_key, entry_id)
) WITHOUT ROWID;
-- Members of one role, by username and to the last column that lists sort by.
DROP INDEX memberships_role;
CREATE INDEX memberships_role ON memberships (organization_id, role, username, person_id);
-- Accounts that are switched off or may have ended, by name.
CREATE INDEX service_accounts_disabled ON service_accounts (organization_id, name_folded, id)
    WHERE deleted_at IS NULL AND disabled_at IS NOT NULL;
CREATE INDEX service_accounts_ending ON service_accounts (organization_id, name_folded, id, expires_at, disabled_at)
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
-- Living service tokens, the newest first.
CREATE INDEX tokens_of_services ON tokens (organization_id, kind, id)
    WHERE kind = 'service_token' AND revoked_at IS NULL;
-- What SQLite is told of how much an index narrows: so large they may become.
-- Without it, a short index that narrows little is taken over a longer one.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl IN ('audit_events', 'service_accounts');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audit_events', 'sqlite_autoindex_audit_events_1', '10000000 1'),
    ('audit_events', 'audit_events_organization', '10000000 1000000 1'),
    ('audit_events', 'audit_events_target', '10000000 20 1'),
    ('audit_events', 'audit_events_actor', '10000000 1000000 10000 1'),
    ('audit_events', 'audit_events_action', '10000000 1000000 100000 1'),
    ('service_accounts', 'sqlite_autoindex_service_accounts_1', '10000 1'),
    ('service_accounts', 'service_accounts_name', '10000 10000 1'),
    ('service_accounts', 'service_accounts_living', '10000 10000 5000 5000'),
    ('service_accounts', 'service_accounts_team', '10000 50 1 1'),
    ('service_accounts', 'service_accounts_default_team', '10000 50'),
    ('service_accounts', 'service_accounts_creator', '10000 10000 50'),
    ('service_accounts', 'service_accounts_identity', '100 50 2'),
    ('service_accounts', 'service_accounts_disabled', '100 50 1 1'),
    ('service_accounts', 'service_accounts_ending', '1000 500 1 1 1 1');
ANALYZE sqlite_schema;
