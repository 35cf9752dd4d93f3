-- Who reports as a till that is not in the network: counted, with the last report, rather than set aside one by one.
CREATE TABLE stranger (
    till TEXT PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX stranger_age ON stranger (last_at);

-- Up to when somebody has seen what was found about a till. Beside `contact`, which each report writes whole.
CREATE TABLE acknowledged (
    till TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;
