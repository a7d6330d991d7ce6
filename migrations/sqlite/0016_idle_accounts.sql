-- Accounts that were not used for a long time are counted in an index.
CREATE INDEX service_accounts_idle ON service_accounts (organization_id, COALESCE(last_used_at, created_at)) WHERE deleted_at IS NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('service_accounts', 'service_accounts_idle', '10000 10000 1');
ANALYZE sqlite_schema;
