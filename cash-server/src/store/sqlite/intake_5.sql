-- intake.db, schema 5: which server works on a load. A database in a file has one server, whose id is zero.

ALTER TABLE load ADD COLUMN worked_on_by BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
