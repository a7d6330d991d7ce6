-- When a person signed in last. Sessions that ended leave no other trace of it outside of the audit log.
ALTER TABLE people ADD COLUMN last_signed_in_at BIGINT;
