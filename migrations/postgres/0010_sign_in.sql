-- The networks from which a person signed in before, each as a value that is
-- derived from the installation's key: whoever reads the database does not
-- learn the addresses.
CREATE TABLE sign_in_networks (
    person_id TEXT COLLATE "C" NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    network BYTEA NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (person_id, network)
);
CREATE INDEX sign_in_networks_seen ON sign_in_networks (last_seen_at);
-- Refused sign-ins of one account and network since the event that told of the
-- first: how many came after it, for one more event.
CREATE TABLE refused_sign_ins (
    key BYTEA PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    failures BIGINT NOT NULL,
    since BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX refused_sign_ins_since ON refused_sign_ins (since);
