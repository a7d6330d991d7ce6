-- What lists and the overview count is counted in indexes, without reading the
-- tokens. Kind and end of life stand in them for that, though the conditions
-- say both.
CREATE INDEX tokens_keys ON tokens (service_account_id, expires_at, kind, revoked_at)
    WHERE kind = 'service_account' AND revoked_at IS NULL;
-- The living keys of an account, past any number of revoked ones.
CREATE INDEX tokens_living_keys ON tokens (service_account_id, kind, revoked_at, id)
    WHERE service_account_id IS NOT NULL;
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
-- The people of a team, by username, which never changes.
ALTER TABLE team_members ADD COLUMN username TEXT NOT NULL DEFAULT '';
UPDATE team_members SET username = (SELECT p.username FROM people p WHERE p.id = team_members.person_id);
CREATE INDEX team_members_listed ON team_members (team_id, username, person_id);
