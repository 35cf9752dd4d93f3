-- dictionary.db, schema 5: the nodes of the network stand in network.db, so that a new token or a removal does not wait for a load.
-- What stays is where nodes were moved to, since a move takes a revision; no table refers to `node` any more. Its rows, and where
-- nodes were created (since = 0), are taken over into network.db when both files are opened, and then deleted here.
CREATE TABLE moved(
    node   INTEGER NOT NULL,
    since  INTEGER NOT NULL,                         -- revision; 0 where it was created, until network.db has it
    parent INTEGER NOT NULL,
    PRIMARY KEY (node, since)
) STRICT, WITHOUT ROWID;
INSERT INTO moved SELECT node, since, parent FROM node_parent;
DROP TABLE node_parent;
ALTER TABLE moved RENAME TO node_parent;

CREATE TABLE taken(
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    layer    INTEGER NOT NULL,                       -- the layer loaded, or the node moved
    load     INTEGER,                                -- null: a move
    added    INTEGER NOT NULL DEFAULT 0,
    changed  INTEGER NOT NULL DEFAULT 0,
    deleted  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO taken SELECT revision, at, layer, load, added, changed, deleted FROM revision;
DROP TABLE revision;
ALTER TABLE taken RENAME TO revision;
CREATE INDEX revision_of_layer ON revision(layer, revision) WHERE load IS NOT NULL;
CREATE INDEX revision_of_load ON revision(load) WHERE load IS NOT NULL;

CREATE TABLE span(
    layer INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,                          -- the first revision that put something into it
    last  INTEGER NOT NULL                           -- the newest revision that touched it
) STRICT;
INSERT INTO span SELECT layer, first, last FROM layer;
DROP TABLE layer;
ALTER TABLE span RENAME TO layer;
