-- Addresses of pages that users have given names.
CREATE TABLE view(
    user    INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
    name    TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (user, name)
) STRICT, WITHOUT ROWID;
