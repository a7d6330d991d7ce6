-- Holders of a permission set are read in the order of their IDs, a limited
-- number of them.
DROP INDEX grants_set;
CREATE INDEX grants_set ON grants (organization_id, permission_set, principal_id);
