-- sales.db, version 4. What stays of receipts that were deleted for their age. A till that still has them may send them again,
-- and they must not count a second time.
CREATE TABLE pruned_shift(
    id INTEGER PRIMARY KEY,
    till TEXT NOT NULL,
    number INTEGER NOT NULL,
    opened TEXT NOT NULL,
    UNIQUE(till, number, opened)
) STRICT;

CREATE TABLE pruned_receipt(
    shift INTEGER NOT NULL REFERENCES pruned_shift(id),
    number INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    time_end TEXT NOT NULL,
    PRIMARY KEY(shift, number, uuid)
) STRICT, WITHOUT ROWID;
