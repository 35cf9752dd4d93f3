-- sales.db, version 6. Each server has a spool of its own, and loads it by itself. A database in a file has one server, whose id
-- is zero.
CREATE TABLE spool_position_of_one(
    server BLOB PRIMARY KEY,
    segment INTEGER NOT NULL,
    "offset" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO spool_position_of_one(server, segment, "offset")
    SELECT zeroblob(16), segment, "offset" FROM spool_position;
DROP TABLE spool_position;
ALTER TABLE spool_position_of_one RENAME TO spool_position;
