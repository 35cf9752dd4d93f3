-- How many of the failures before a delivery were rejections for what was inside, and what sort of reason the till gave.
ALTER TABLE delivery ADD COLUMN bad_contents INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN cause TEXT;
