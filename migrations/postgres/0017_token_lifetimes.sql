-- Tokens that live longer than the policy allows today are counted in an index. Those that never expire come last.
CREATE INDEX tokens_of_kind_end ON tokens (organization_id, kind, (COALESCE(expires_at, 9223372036854775807)))
    WHERE revoked_at IS NULL AND kind <> 'access';
