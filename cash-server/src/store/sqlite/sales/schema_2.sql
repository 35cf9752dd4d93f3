-- sales.db, version 2: a record of a shift that was refused is kept as it came (protobuf), as a document is.
ALTER TABLE refused ADD COLUMN shift_record BLOB;
