-- exchange.db, version 8 (7 is the audit log). Why a delivery or a command ended so is kind and parameters, as JSON. In rows of before
-- it is null, and `reason` has the sentence.
ALTER TABLE delivery ADD COLUMN why TEXT;
ALTER TABLE command ADD COLUMN why TEXT;
