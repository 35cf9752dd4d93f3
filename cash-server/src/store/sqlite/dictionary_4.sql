-- dictionary.db, schema 4: which database this is, made once. A copy or a backup of it is the same one.
CREATE TABLE identity(id BLOB NOT NULL) STRICT;
INSERT INTO identity(id) VALUES (randomblob(16));
