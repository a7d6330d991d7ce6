-- A pair of issuer and audience belongs to each organization that trusts it:
-- nobody can take it away from others. Assertions with an id are taken once.
ALTER TABLE identity_providers DROP CONSTRAINT identity_providers_issuer_audience_key;
ALTER TABLE identity_providers ADD UNIQUE (organization_id, issuer, audience);
CREATE INDEX identity_providers_pair ON identity_providers (issuer, audience);

CREATE TABLE used_assertions (
    hash BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_assertions_end ON used_assertions (expires_at);
