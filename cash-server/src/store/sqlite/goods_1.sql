-- goods_search.db, schema 1: goods by the words of their names. All of it can be made again from dictionary.db.
-- The dictionary that it was read from.
CREATE TABLE source(dictionary BLOB NOT NULL) STRICT;

-- Up to which revision the names of a layer were read.
CREATE TABLE layer(
    layer    INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT;

-- An item of any layer.
CREATE TABLE good(
    id   INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE
) STRICT;

-- What a layer calls it: by itself, or by a barcode of it.
CREATE TABLE named(
    layer INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    key   TEXT NOT NULL,
    good  INTEGER NOT NULL,
    name  TEXT NOT NULL,
    PRIMARY KEY (layer, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX named_of_good ON named(good);

-- The words of a good, of all layers together. Words come cut and folded by store::goods::folded_words, apart by blanks: the
-- tokenizer only has to find the blanks. Nobody asks where in a name a word stands (detail), and the text stands in `named`
-- (content). Beginnings of up to three letters have an index of their own, since so many words begin with them.
CREATE VIRTUAL TABLE words USING fts5(
    text, content = '', contentless_delete = 1, detail = none, prefix = '1 2 3', tokenize = 'ascii'
);
