-- intake.db, schema 2: which files a delivery through a folder was made of, so that one that was loaded and not yet
-- removed is known again; where a refused load is kept; and which load one repeats.

ALTER TABLE load ADD COLUMN delivery TEXT;       -- identities of data file and flag, as the intake writes them
ALTER TABLE load ADD COLUMN aside TEXT;          -- name of the file that is kept of a refused load
ALTER TABLE load ADD COLUMN retry_of INTEGER;    -- the load that this one repeats
CREATE INDEX load_aside ON load(id) WHERE aside IS NOT NULL;
