-- packages.db, schema 1: what was built. All of it can be made again. Times are milliseconds since 1970 in UTC.

CREATE TABLE package(
    from_path TEXT NOT NULL,
    from_rev  INTEGER NOT NULL,
    to_path   TEXT NOT NULL,
    to_rev    INTEGER NOT NULL,
    whole     TEXT NOT NULL,
    name      TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    objects   INTEGER NOT NULL,
    used_at   INTEGER NOT NULL,
    PRIMARY KEY (to_path, to_rev, from_path, from_rev, whole)
) STRICT, WITHOUT ROWID;
CREATE INDEX package_name ON package(name);

CREATE TABLE digest(
    path     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    kinds    TEXT NOT NULL,      -- JSON: [[kind, rows, "digest"], …]
    PRIMARY KEY (path, revision)
) STRICT, WITHOUT ROWID;
