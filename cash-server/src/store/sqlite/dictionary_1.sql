-- dictionary.db, schema 1: the network, the layers with their log, and the sequence of revisions.
-- Times are milliseconds since 1970 in UTC.

CREATE TABLE counter(
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- revision: the newest one. network: grows with every change of the network. log-start: differences can be made from
-- this revision on; what was replaced at or before it is pruned.
-- lost-after, lost-before: cursors between them come from a server whose database was lost and restored from a backup.
INSERT INTO counter VALUES ('revision', 0), ('network', 0), ('log-start', 0), ('lost-after', 0), ('lost-before', 0);

CREATE TABLE node(
    no            INTEGER PRIMARY KEY AUTOINCREMENT, -- also the number of its layer
    id            TEXT NOT NULL UNIQUE,
    code          TEXT NOT NULL,
    name          TEXT NOT NULL,
    parked        INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    removed_at    INTEGER,
    removed_after INTEGER,                           -- the newest revision when it was removed
    token         BLOB                               -- BLAKE3 of a till's token
) STRICT;

CREATE TABLE node_parent(
    node   INTEGER NOT NULL REFERENCES node,
    since  INTEGER NOT NULL,                         -- revision; 0 where it was created
    parent INTEGER NOT NULL REFERENCES node,
    PRIMARY KEY (node, since)
) STRICT, WITHOUT ROWID;

CREATE TABLE revision(
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    layer    INTEGER NOT NULL REFERENCES node,       -- the layer loaded, or the node moved
    load     INTEGER,                                -- null: a move
    added    INTEGER NOT NULL DEFAULT 0,
    changed  INTEGER NOT NULL DEFAULT 0,
    deleted  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX revision_of_layer ON revision(layer, revision) WHERE load IS NOT NULL;
CREATE INDEX revision_of_load ON revision(load) WHERE load IS NOT NULL;

CREATE TABLE layer(
    layer INTEGER PRIMARY KEY REFERENCES node,
    first INTEGER NOT NULL,                          -- the first revision that put something into it
    last  INTEGER NOT NULL                           -- the newest revision that touched it
) STRICT;

-- The head of each layer.
CREATE TABLE object(
    id       INTEGER PRIMARY KEY,
    layer    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    key      TEXT NOT NULL,
    revision INTEGER NOT NULL,                       -- in this state since then
    hash     BLOB NOT NULL,
    body     BLOB NOT NULL,
    owner    INTEGER,                                -- the object whose command brought it
    bundle   BLOB,                                   -- hash of its whole expansion, where all of it is as the command said
    UNIQUE (layer, kind, key)
) STRICT;
CREATE INDEX object_changed ON object(layer, revision);
CREATE INDEX object_owned ON object(owner) WHERE owner IS NOT NULL;

-- What was replaced or deleted: the state for since <= revision < until.
CREATE TABLE past(
    id    INTEGER PRIMARY KEY,
    layer INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    key   TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    body  BLOB NOT NULL
) STRICT;
CREATE INDEX past_ended ON past(layer, until);
CREATE UNIQUE INDEX past_of_key ON past(layer, kind, key, until);
