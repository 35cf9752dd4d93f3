-- sales.db, version 7 (5 is the audit log). What a finding says is kind and parameters, as JSON. In rows of before it is null, and
-- `text` has the sentence.
ALTER TABLE finding ADD COLUMN why TEXT;
