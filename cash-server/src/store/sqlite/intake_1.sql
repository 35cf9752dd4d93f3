-- intake.db, schema 1: loads with their reports, and whom to tell of them. Times are milliseconds since 1970 in UTC.

CREATE TABLE load(
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    node          TEXT NOT NULL,
    way           TEXT NOT NULL CHECK (way IN ('folder', 'rest')),
    source        TEXT NOT NULL,                     -- path of the data file, or name of the body's file
    dictionary_id TEXT,                              -- the back office's own id
    bytes         INTEGER NOT NULL,
    state         TEXT NOT NULL,                     -- queued, running, ready, ready-with-errors, error
    tries         INTEGER NOT NULL DEFAULT 0,
    queued_at     INTEGER NOT NULL,
    started_at    INTEGER,
    ended_at      INTEGER,
    added         INTEGER NOT NULL DEFAULT 0,
    changed       INTEGER NOT NULL DEFAULT 0,
    deleted       INTEGER NOT NULL DEFAULT 0,
    unchanged     INTEGER NOT NULL DEFAULT 0,
    rejected      INTEGER NOT NULL DEFAULT 0,
    revision      INTEGER,
    applies_from  INTEGER,                           -- tills from this revision on have it
    reason        TEXT
) STRICT;
CREATE INDEX load_unfinished ON load(id) WHERE state IN ('queued', 'running');
CREATE INDEX load_of_source ON load(source, id);

CREATE TABLE reject(
    load   INTEGER NOT NULL REFERENCES load ON DELETE CASCADE,
    n      INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    byte   INTEGER NOT NULL,
    verb   TEXT,
    key    TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (load, n)
) STRICT, WITHOUT ROWID;

-- Whom to tell; a row goes when all is told or the server is given up.
CREATE TABLE watch(
    load      INTEGER PRIMARY KEY REFERENCES load ON DELETE CASCADE,
    server    TEXT NOT NULL,
    shop      TEXT NOT NULL,
    state_id  TEXT,                                  -- given by the status server
    load_told TEXT
) STRICT;

CREATE TABLE watch_till(
    load INTEGER NOT NULL REFERENCES watch ON DELETE CASCADE,
    till TEXT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (load, till)
) STRICT, WITHOUT ROWID;
