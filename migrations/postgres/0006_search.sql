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
);
CREATE UNIQUE INDEX search_texts_entry ON search_texts (organization_id, list, entry_id);
CREATE TABLE search_grams (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    list TEXT NOT NULL,
    gram TEXT NOT NULL,
    sort_key TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, list, gram, sort_key, entry_id)
);
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
