-- One row that a readiness check changes, to learn whether the database takes
-- writes. Nothing else reads or writes it.
CREATE TABLE write_probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    writes BIGINT NOT NULL
);
INSERT INTO write_probe (id, writes) VALUES (1, 0);
