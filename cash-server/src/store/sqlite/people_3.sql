-- Where users are written to, in which language (en, ru; none: nobody chose), and of what.
ALTER TABLE user ADD COLUMN mail TEXT;
ALTER TABLE user ADD COLUMN language TEXT;
ALTER TABLE user ADD COLUMN report INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN alerts TEXT NOT NULL DEFAULT '';   -- words with spaces between
-- What people are told of at once and is so now: once it has ended there is no row any more.
CREATE TABLE alert(
    sort   TEXT NOT NULL,                -- held-load, silent-shop, shift-differs
    object TEXT NOT NULL,                -- number of a load, id of a shop or till
    node   TEXT NOT NULL,                -- id of the node that it stands at
    since  INTEGER NOT NULL,
    size   INTEGER NOT NULL,             -- as it was told last
    detail TEXT,                         -- a reason as JSON
    PRIMARY KEY (sort, object)
) STRICT, WITHOUT ROWID;
-- What goes out by mail or to a webhook, each for one receiver. Ended rows stay for a while, to be counted and shown.
CREATE TABLE outgoing(
    no      INTEGER PRIMARY KEY AUTOINCREMENT,
    id      BLOB NOT NULL UNIQUE,        -- a UUID that receivers see, to know a repeat by
    user    INTEGER REFERENCES user ON DELETE CASCADE,   -- by mail to this user
    hook    TEXT,                        -- or to this address
    content TEXT NOT NULL,               -- JSON
    made_at INTEGER NOT NULL,
    due_at  INTEGER NOT NULL,            -- not before this
    tries   INTEGER NOT NULL DEFAULT 0,  -- that failed
    error   TEXT,                        -- why the last one failed: a reason as JSON
    ended_at INTEGER,
    outcome TEXT                         -- sent, given-up, dropped
) STRICT;
CREATE INDEX outgoing_waits ON outgoing(no) WHERE ended_at IS NULL;
CREATE INDEX outgoing_ended ON outgoing(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX outgoing_of_user ON outgoing(user) WHERE user IS NOT NULL;
