-- intake.db, schema 3: rejects name field and value; warnings stand beside them; what nobody has seen yet stays on a list.

ALTER TABLE load ADD COLUMN warnings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reject ADD COLUMN field TEXT;
ALTER TABLE reject ADD COLUMN value TEXT;
ALTER TABLE reject ADD COLUMN warning TEXT;      -- JSON of the kind of warning with its parameters; null: the record was rejected

-- Rejects and warnings of committed loads, until the object came again without the fault. What a person has seen stays here with
-- its time, so that the same warning does not come up again each night; a reject does.
CREATE TABLE notice(
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    identity BLOB NOT NULL UNIQUE,               -- hash over node, object or verb, field, value and what it is
    node     TEXT NOT NULL,
    kind     INTEGER,                            -- number of the object's kind, where it is known
    object   TEXT,                               -- its key
    load     INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    byte     INTEGER NOT NULL,
    verb     TEXT,
    key      TEXT,
    field    TEXT,
    value    TEXT,
    reason   TEXT NOT NULL,
    warning  TEXT,
    at       INTEGER NOT NULL,
    seen_at  INTEGER
) STRICT;
CREATE INDEX notice_open ON notice(id) WHERE seen_at IS NULL;
CREATE INDEX notice_of_object ON notice(node, kind, object);
