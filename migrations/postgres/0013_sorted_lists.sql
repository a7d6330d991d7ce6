-- Lists can be sorted by more than the name. Service accounts can be sorted by creation and by last use. Accounts that
-- were never used come before all others.
CREATE INDEX service_accounts_created ON service_accounts (organization_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX service_accounts_used ON service_accounts (organization_id, (COALESCE(last_used_at, 0)), id)
    WHERE deleted_at IS NULL;
CREATE INDEX memberships_joined ON memberships (organization_id, created_at, person_id);
CREATE INDEX memberships_role_joined ON memberships (organization_id, role, created_at, person_id);
-- Service tokens that are not revoked. Those that never expire come after all others.
CREATE INDEX tokens_of_services_name ON tokens (organization_id, (LOWER(name)), id)
    WHERE kind = 'service_token' AND revoked_at IS NULL;
CREATE INDEX tokens_of_services_used ON tokens (organization_id, (COALESCE(last_used_at, 0)), id)
    WHERE kind = 'service_token' AND revoked_at IS NULL;
CREATE INDEX tokens_of_services_end ON tokens (organization_id, (COALESCE(expires_at, 9223372036854775807)), id)
    WHERE kind = 'service_token' AND revoked_at IS NULL;
