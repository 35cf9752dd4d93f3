-- intake.db, schema 4: loads that are held until somebody says yes, and who said so.

ALTER TABLE load ADD COLUMN held_at INTEGER;     -- held: the newest revision then
ALTER TABLE load ADD COLUMN clears TEXT;         -- held: the clear… verb that it begins with
ALTER TABLE load ADD COLUMN consent INTEGER;     -- null: none; -1: given by its producer; else: a yes to what was held at this revision
CREATE INDEX load_held ON load(node, clears) WHERE state = 'held';
