-- When tills were heard of last, where their rows in `contact` were written before: beside them, since those are long and this
-- is written again and again.
CREATE TABLE heard (
    till TEXT PRIMARY KEY,
    last_at INTEGER NOT NULL,
    sent_at INTEGER NOT NULL
) WITHOUT ROWID;
