-- documents.db, version 1. Money is in kopecks, quantities and sizes of discounts in thousandths; times are local,
-- `YYYY-MM-DDTHH:MM:SS`.
CREATE TABLE workshift (
    workshiftid     INTEGER PRIMARY KEY AUTOINCREMENT,
    storeid         TEXT,
    shopcode        TEXT,
    shiftnum        INTEGER NOT NULL,
    cashcode        TEXT,
    cashid          TEXT,
    scode           TEXT,
    time_beg        TEXT NOT NULL,
    time_end        TEXT,
    checknum1       INTEGER,
    checknum2       INTEGER,
    sumsale         INTEGER NOT NULL DEFAULT 0,
    sumgain         INTEGER NOT NULL DEFAULT 0,
    sumdrawer       INTEGER NOT NULL DEFAULT 0,
    countsale       INTEGER NOT NULL DEFAULT 0,
    countrefund     INTEGER NOT NULL DEFAULT 0,
    sumrefund       INTEGER NOT NULL DEFAULT 0,
    sumsalecash     INTEGER NOT NULL DEFAULT 0,
    sumsalenoncash  INTEGER NOT NULL DEFAULT 0,
    sumgaincash     INTEGER NOT NULL DEFAULT 0,
    sumgainnoncash  INTEGER NOT NULL DEFAULT 0,
    sumrefundcash   INTEGER NOT NULL DEFAULT 0,
    sumrefundnoncash INTEGER NOT NULL DEFAULT 0,
    firstchecktime  TEXT,
    update_time     TEXT
) STRICT;
CREATE INDEX workshift_shiftnum ON workshift (shiftnum);

CREATE TABLE document (
    documentid       INTEGER PRIMARY KEY AUTOINCREMENT,
    cashcode         TEXT,
    workshiftid      INTEGER NOT NULL REFERENCES workshift,
    checknum         INTEGER NOT NULL,
    doctype          INTEGER NOT NULL,
    dept             INTEGER,
    scode            TEXT,
    time_beg         TEXT NOT NULL,
    time_end         TEXT,
    sum1             INTEGER NOT NULL DEFAULT 0,
    disc_abs         INTEGER NOT NULL DEFAULT 0,
    sumb             INTEGER NOT NULL DEFAULT 0,
    vatsum           INTEGER NOT NULL DEFAULT 0,
    docnum           TEXT,
    closed           INTEGER NOT NULL DEFAULT 0,
    linkeddocumentid INTEGER,
    identifier       TEXT,
    sourceidentifier TEXT,
    frdocnum         TEXT,
    frdoccopy        INTEGER,
    fiscalidentifier TEXT,
    backreason       TEXT,
    update_time      TEXT
) STRICT;
CREATE INDEX document_workshiftid ON document (workshiftid, checknum);
CREATE INDEX document_time_end ON document (time_end);

CREATE TABLE goodsitem (
    goodsitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    ttime       TEXT,
    posnum      INTEGER NOT NULL,
    code        TEXT,
    bcode       TEXT,
    bquant      INTEGER NOT NULL DEFAULT 1000,
    cquant      INTEGER NOT NULL DEFAULT 0,
    price       INTEGER NOT NULL DEFAULT 0,
    minprice    INTEGER,
    pricei      INTEGER,
    disc_abs    INTEGER NOT NULL DEFAULT 0,
    sumi        INTEGER NOT NULL DEFAULT 0,
    sumb        INTEGER NOT NULL DEFAULT 0,
    opcode      INTEGER NOT NULL
) STRICT;
CREATE INDEX goodsitem_documentid ON goodsitem (documentid, posnum);

CREATE TABLE stornogoodsitem (
    stornogoodsitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    ttime       TEXT,
    tstime      TEXT,
    opid        TEXT,
    posnum      INTEGER NOT NULL,
    code        TEXT,
    bcode       TEXT,
    bquant      INTEGER NOT NULL DEFAULT 1000,
    cquant      INTEGER NOT NULL DEFAULT 0,
    price       INTEGER NOT NULL DEFAULT 0,
    minprice    INTEGER,
    pricei      INTEGER,
    disc_abs    INTEGER NOT NULL DEFAULT 0,
    sumi        INTEGER NOT NULL DEFAULT 0,
    sumb        INTEGER NOT NULL DEFAULT 0,
    opcode      INTEGER NOT NULL
) STRICT;
CREATE INDEX stornogoodsitem_documentid ON stornogoodsitem (documentid, posnum);

CREATE TABLE moneyitem (
    moneyitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    mtime       TEXT,
    opcode      INTEGER NOT NULL,
    valcode     INTEGER NOT NULL,
    sumb        INTEGER NOT NULL,
    docnum      TEXT
) STRICT;
CREATE INDEX moneyitem_documentid ON moneyitem (documentid);

CREATE TABLE discitem (
    discitemid  INTEGER PRIMARY KEY AUTOINCREMENT,
    goodsitemid INTEGER NOT NULL REFERENCES goodsitem,
    discnumber  INTEGER NOT NULL,
    discmode    INTEGER,
    disctype    INTEGER,
    discsize    INTEGER NOT NULL DEFAULT 0,
    discsum     INTEGER NOT NULL DEFAULT 0,
    checksum    INTEGER NOT NULL DEFAULT 0,
    cardnumber  TEXT
) STRICT;
CREATE INDEX discitem_goodsitemid ON discitem (goodsitemid, discnumber);

CREATE TABLE carditem (
    carditemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid INTEGER NOT NULL REFERENCES document,
    number     TEXT NOT NULL
) STRICT;
CREATE INDEX carditem_documentid ON carditem (documentid);

CREATE TABLE users (
    workshiftid INTEGER NOT NULL REFERENCES workshift,
    usercode    TEXT NOT NULL,
    username    TEXT,
    PRIMARY KEY (workshiftid, usercode)
) STRICT;
