-- dictionary.db, schema 2: objects are known again by the text of their records.
-- Of an object that nobody owns, and where all of it is as its record said: version of the record's hash (4 bytes), rows of the
-- record (4 bytes), both big-endian, and the hash (16 bytes).
ALTER TABLE object ADD COLUMN record BLOB;
