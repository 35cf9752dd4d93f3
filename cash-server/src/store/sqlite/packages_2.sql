-- packages.db, schema 2: digests that nobody asks for any more are forgotten, also of paths that are gone.

ALTER TABLE digest ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
