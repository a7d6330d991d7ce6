-- Text compares and sorts as bytes, whatever collation the database was made
-- with: ids, cursors and slugs are compared by the program too, and both must
-- agree. Columns that later migrations add say COLLATE "C" themselves; a test
-- looks at all of them. Changing a collation rebuilds indexes but no table. It
-- drops what the planner knew of the columns, so that is gathered again.
DO $$
DECLARE
    changed RECORD;
BEGIN
    FOR changed IN
        SELECT c.oid::regclass AS relation,
            string_agg(format('ALTER COLUMN %I TYPE TEXT COLLATE "C"', a.attname), ', ' ORDER BY a.attnum) AS columns
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE '\_%'
            AND a.atttypid = 'text'::regtype AND a.attcollation <> '"C"'::regcollation
        GROUP BY c.oid ORDER BY c.oid
    LOOP
        EXECUTE format('ALTER TABLE %s %s', changed.relation, changed.columns);
        EXECUTE format('ANALYZE %s', changed.relation);
    END LOOP;
END $$;
