-- What lists and the overview count is counted in indexes, without reading the
-- tokens. Kind and end of life stand in them for that, though the conditions
-- say both.
CREATE INDEX tokens_keys ON tokens (service_account_id, expires_at, kind, revoked_at)
    WHERE kind = 'service_account' AND revoked_at IS NULL;
DROP INDEX tokens_end;
CREATE INDEX tokens_end ON tokens (organization_id, expires_at, id, kind, revoked_at)
    WHERE revoked_at IS NULL AND kind <> 'access';
DROP INDEX tokens_used;
CREATE INDEX tokens_used ON tokens (organization_id, (COALESCE(last_used_at, created_at)), id, kind, expires_at, revoked_at)
    WHERE revoked_at IS NULL AND kind <> 'access';
CREATE INDEX service_accounts_living ON service_accounts (organization_id, scope, deleted_at) WHERE deleted_at IS NULL;
-- The accounts of a team, by name.
DROP INDEX service_accounts_team;
CREATE INDEX service_accounts_team ON service_accounts (team_id, name_folded, id) WHERE team_id IS NOT NULL;
