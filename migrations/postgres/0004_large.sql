-- What is looked for where few rows have it: without these, statistics over a
-- column that is mostly empty talk a planner out of the index.
DROP INDEX service_accounts_identity;
CREATE INDEX service_accounts_identity ON service_accounts (identity_provider_id, identity_subject)
    WHERE identity_provider_id IS NOT NULL;
DROP INDEX tokens_service;
CREATE INDEX tokens_service ON tokens (service_id) WHERE service_id IS NOT NULL;
DROP INDEX service_accounts_team;
CREATE INDEX service_accounts_team ON service_accounts (team_id) WHERE team_id IS NOT NULL;
DROP INDEX service_accounts_default_team;
CREATE INDEX service_accounts_default_team ON service_accounts (default_team_id) WHERE default_team_id IS NOT NULL;
