-- People who use this server. Of passwords, links, sessions and keys only hashes are kept.
CREATE TABLE user(
    no          INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again
    login       TEXT NOT NULL UNIQUE,                -- small letters
    name        TEXT NOT NULL,
    password    TEXT,                                -- PHC string of argon2id; none until one is set by a link
    must_change INTEGER NOT NULL,                    -- somebody else knows the password
    disabled    INTEGER NOT NULL,
    link        BLOB,                                -- hash of the secret of a link that sets a password
    link_ends   INTEGER,
    made_at     INTEGER NOT NULL,
    last_login  INTEGER
) STRICT;
CREATE TABLE session(
    no      INTEGER PRIMARY KEY AUTOINCREMENT,
    hash    BLOB NOT NULL UNIQUE,                    -- of its token
    user    INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
    made_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    address TEXT,
    agent   TEXT NOT NULL
) STRICT;
CREATE INDEX session_of_user ON session(user, seen_at);
CREATE TABLE api_key(
    name    TEXT PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
-- What is remembered from one start to the next, by name.
CREATE TABLE noted(
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;
