-- Who set up the installation: until there are administrators, whoever may
-- create organizations where not everybody may.
ALTER TABLE installation ADD COLUMN person_id TEXT REFERENCES people (id) ON DELETE SET NULL;
UPDATE installation SET person_id = (SELECT id FROM people ORDER BY created_at, id LIMIT 1);
