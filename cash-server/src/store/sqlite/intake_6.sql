-- intake.db, schema 7 (5 is the audit log): why a record was rejected, and what is to be known of a load, is kind and parameters, as
-- JSON. In rows of before it is null, and `reason` has the sentence.

ALTER TABLE load ADD COLUMN why TEXT;
ALTER TABLE reject ADD COLUMN why TEXT;
ALTER TABLE notice ADD COLUMN why TEXT;
