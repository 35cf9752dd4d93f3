-- Settings of the tills at a node and below it.
ALTER TABLE node ADD COLUMN settings TEXT;           -- JSON: an object of texts by key of cash.ini; null: none
ALTER TABLE node ADD COLUMN settings_since INTEGER NOT NULL DEFAULT 0; -- generation of the last change that gave tills
                                                     -- at it or below it other settings: a move is one
