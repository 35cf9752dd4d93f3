-- packages.db, schema 3: under which key and database the packages were made whose proofs they carry. None: before there were
-- proofs.
CREATE TABLE made_under(mark TEXT NOT NULL) STRICT;
