-- The audit log, the same table in each database that somebody's changes go to: a line is written in the transaction of its
-- change. Never a token or a password.
CREATE TABLE audit(
    id      BLOB PRIMARY KEY,                        -- UUID version 7: it begins with the time, in milliseconds
    person  INTEGER NOT NULL,                        -- 1: a person asked; 0: a till, or this server by itself
    actor   TEXT NOT NULL,                           -- login:admin, system:root, till:<id>, server
    face    TEXT NOT NULL,                           -- rest, page, command-line, within
    address TEXT,                                    -- of the client
    verb    TEXT NOT NULL,
    object  TEXT NOT NULL,
    before  TEXT,                                    -- JSON
    after   TEXT                                     -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_of_actor ON audit(actor, id);
CREATE INDEX audit_of_object ON audit(object, id);
CREATE INDEX audit_by_age ON audit(person, id);
