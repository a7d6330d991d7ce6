-- Who gave a token its current value, if that was not its creation.
ALTER TABLE tokens ADD COLUMN regenerated_by_name TEXT;
