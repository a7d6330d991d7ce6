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
    PRIMARY KEY (organization_id, list, entry_id)
);
CREATE TABLE search_grams (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    list TEXT NOT NULL,
    gram TEXT NOT NULL,
    sort_key TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, list, gram, sort_key, entry_id)
);
