-- When the first of the links in a row was announced of which the till has said nothing. Absent in rows of older versions, where
-- it is the delivery's own `created_at`.
ALTER TABLE delivery ADD COLUMN unanswered_since INTEGER;
