-- The cursor that a till says it has and that nothing speaks for, and when it last began to say so; which claimed cursor a delivery
-- takes the place of.
ALTER TABLE contact ADD COLUMN claimed INTEGER;
ALTER TABLE contact ADD COLUMN claimed_at INTEGER;
ALTER TABLE delivery ADD COLUMN replaces INTEGER;
