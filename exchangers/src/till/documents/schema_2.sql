-- documents.db, version 2: what a back office wants to know of a receipt beside its lines and payments. All of it is
-- optional: the agent reads what is there.
ALTER TABLE document ADD COLUMN cashtype INTEGER;

ALTER TABLE goodsitem ADD COLUMN excisemark TEXT;
ALTER TABLE goodsitem ADD COLUMN additionalbarcode TEXT;
ALTER TABLE goodsitem ADD COLUMN bcode_main TEXT;

ALTER TABLE stornogoodsitem ADD COLUMN excisemark TEXT;
ALTER TABLE stornogoodsitem ADD COLUMN additionalbarcode TEXT;
ALTER TABLE stornogoodsitem ADD COLUMN bcode_main TEXT;

ALTER TABLE moneyitem ADD COLUMN cardnum TEXT;
ALTER TABLE moneyitem ADD COLUMN slip TEXT;

CREATE TABLE taxitem (
    taxitemid   INTEGER PRIMARY KEY AUTOINCREMENT,
    goodsitemid INTEGER NOT NULL REFERENCES goodsitem,
    taxcode     INTEGER,
    taxsum      INTEGER NOT NULL
) STRICT;
CREATE INDEX taxitem_goodsitemid ON taxitem (goodsitemid);

CREATE TABLE bonusitem (
    bonusitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    goodsitemid INTEGER NOT NULL REFERENCES goodsitem,
    amount      INTEGER NOT NULL,
    cardnumber  TEXT
) STRICT;
CREATE INDEX bonusitem_goodsitemid ON bonusitem (goodsitemid);

CREATE TABLE failedmoneyitem (
    failedmoneyitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    mtime       TEXT,
    opcode      INTEGER NOT NULL,
    valcode     INTEGER NOT NULL,
    sumb        INTEGER NOT NULL,
    cardnum     TEXT,
    slip        TEXT
) STRICT;
CREATE INDEX failedmoneyitem_documentid ON failedmoneyitem (documentid);

CREATE TABLE certificateitem (
    certificateitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    number      TEXT NOT NULL,
    sumb        INTEGER NOT NULL
) STRICT;
CREATE INDEX certificateitem_documentid ON certificateitem (documentid);

CREATE TABLE couponitem (
    couponitemid INTEGER PRIMARY KEY AUTOINCREMENT,
    documentid  INTEGER NOT NULL REFERENCES document,
    number      TEXT NOT NULL,
    sumb        INTEGER NOT NULL
) STRICT;
CREATE INDEX couponitem_documentid ON couponitem (documentid);

CREATE TABLE kkm (
    workshiftid     INTEGER NOT NULL REFERENCES workshift,
    serialnum       TEXT NOT NULL,
    sumcashend      INTEGER NOT NULL DEFAULT 0,
    sumprotectedbeg INTEGER NOT NULL DEFAULT 0,
    sumprotectedend INTEGER NOT NULL DEFAULT 0,
    sumback         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (workshiftid, serialnum)
) STRICT;
