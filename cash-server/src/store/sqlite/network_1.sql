-- network.db, schema 1: the nodes of the network. Times are milliseconds since 1970 in UTC.

CREATE TABLE counter(
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- network: grows with every change of this file.
INSERT INTO counter VALUES ('network', 0);

CREATE TABLE node(
    no            INTEGER PRIMARY KEY,               -- also the number of its layer; never used again
    id            TEXT NOT NULL UNIQUE,
    code          TEXT NOT NULL,
    name          TEXT NOT NULL,
    parent        INTEGER REFERENCES node,           -- where it was created; dictionary.db says where it was moved to
    parked        INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    removed_at    INTEGER,
    removed_after INTEGER,                           -- the newest revision when it was removed
    token         BLOB                               -- BLAKE3 of a till's token
) STRICT;
