-- Accounts that were not used for a long time are counted in an index.
CREATE INDEX service_accounts_idle ON service_accounts (organization_id, (COALESCE(last_used_at, created_at))) WHERE deleted_at IS NULL;
