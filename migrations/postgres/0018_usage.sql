-- Verifications, counted by day (days since 1970, UTC), value, service, question and outcome. What is not known is empty.
-- There are no foreign keys: what was used stays known until the retention of usage has passed.
CREATE TABLE usage (
    principal_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    service_id TEXT COLLATE "C" NOT NULL,
    project_id TEXT COLLATE "C" NOT NULL,
    permission TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    is_old BOOLEAN NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (
        principal_id, token_id, day, outcome, service_id, project_id, permission, address, is_old, organization_id
    )
);
CREATE INDEX usage_day ON usage (day);

-- The same by principal, organization, service and project alone, for charts.
CREATE TABLE usage_totals (
    subject_id TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (subject_id, day, outcome, organization_id)
);
CREATE INDEX usage_totals_day ON usage_totals (day);
CREATE INDEX usage_totals_refused ON usage_totals (organization_id, day) WHERE outcome <> 'allowed';

INSERT INTO usage
    SELECT
        CASE t.kind
            WHEN 'service_account' THEN t.service_account_id
            WHEN 'team' THEN t.team_id
            WHEN 'personal' THEN t.person_id
            WHEN 'service_secret' THEN t.service_id
            WHEN 'organization' THEN t.organization_id
            ELSE t.id
        END,
        t.id, c.day, 'allowed', '', '', '', c.address, FALSE, COALESCE(t.organization_id, ''), c.calls
    FROM token_calls c JOIN tokens t ON t.id = c.token_id WHERE t.kind <> 'access';
-- Federated accounts have no token of their own.
INSERT INTO usage
    SELECT a.id, '', c.day, 'allowed', '', '', '', c.address, FALSE, a.organization_id, c.calls
    FROM account_calls c JOIN service_accounts a ON a.id = c.service_account_id WHERE a.authentication = 'federated';
INSERT INTO usage_totals
    SELECT principal_id, day, 'allowed', organization_id, SUM(calls) FROM usage
    WHERE principal_id NOT LIKE 'svc_%' AND principal_id <> organization_id
    GROUP BY principal_id, day, organization_id;
INSERT INTO usage_totals
    SELECT organization_id, day, 'allowed', organization_id, SUM(calls) FROM usage
    WHERE principal_id NOT LIKE 'svc_%' AND organization_id <> '' GROUP BY organization_id, day;
DROP TABLE token_calls;
DROP TABLE account_calls;

-- What needs attention: regenerated tokens, and tokens that were never used.
CREATE INDEX tokens_regenerated ON tokens (organization_id, regenerated_at)
    WHERE revoked_at IS NULL AND kind <> 'access' AND regenerated_by_name IS NOT NULL;
CREATE INDEX tokens_never_used ON tokens (organization_id, id)
    WHERE revoked_at IS NULL AND kind <> 'access' AND last_used_at IS NULL;

-- Tokens are found by the last characters of a value.
CREATE INDEX token_values_hint ON token_values (hint);
