-- sales.db, version 1. Money in kopecks, quantities in thousandths, instants in milliseconds since 1970 UTC, local times as
-- text YYYY-MM-DDTHH:MM:SS.

-- How far the spool is loaded; one row.
CREATE TABLE spool_position(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    segment INTEGER NOT NULL,
    "offset" INTEGER NOT NULL
) STRICT;
INSERT INTO spool_position(id, segment, "offset") VALUES (1, 0, 0);

-- What each till has unloaded.
CREATE TABLE till(
    till TEXT PRIMARY KEY,
    shop TEXT NOT NULL,
    instance TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    last_stream_at INTEGER,
    last_received_at INTEGER,
    last_receipt_time TEXT
) STRICT, WITHOUT ROWID;

-- Documents of every type; no receipt counts twice.
CREATE TABLE receipt(
    id INTEGER PRIMARY KEY,
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    number INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    shop TEXT NOT NULL,
    document_id INTEGER NOT NULL,
    doctype INTEGER NOT NULL,
    cash_code TEXT NOT NULL,
    cashier TEXT NOT NULL,
    department INTEGER NOT NULL,
    time_beg TEXT,
    time_end TEXT NOT NULL,
    day TEXT NOT NULL,
    sum_before INTEGER NOT NULL,
    discount INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    vat INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    source_identifier TEXT NOT NULL,
    fiscal_number TEXT NOT NULL,
    fiscal_identifier TEXT NOT NULL,
    back_reason TEXT NOT NULL,
    lines INTEGER NOT NULL,
    line_sum INTEGER NOT NULL,
    content BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE(till, shift, number, uuid)
) STRICT;
CREATE INDEX receipt_by_day ON receipt(day, till);

CREATE TABLE line(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    voided INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item_code TEXT NOT NULL,
    barcode TEXT NOT NULL,
    opcode INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    price INTEGER NOT NULL,
    sum_before INTEGER NOT NULL,
    discount INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    time TEXT NOT NULL,
    confirmed_by TEXT NOT NULL,
    PRIMARY KEY(receipt, voided, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE discount(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    voided INTEGER NOT NULL,
    line INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    type INTEGER NOT NULL,
    size_thousandths INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    base_sum INTEGER NOT NULL,
    card_number TEXT NOT NULL,
    PRIMARY KEY(receipt, voided, line, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE payment(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    opcode INTEGER NOT NULL,
    type_code INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    time TEXT NOT NULL,
    card_number TEXT NOT NULL,
    PRIMARY KEY(receipt, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE card(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY(receipt, ordinal)
) STRICT, WITHOUT ROWID;

-- The till's record of a shift; an open one is replaced as it grows.
CREATE TABLE shift(
    till TEXT NOT NULL,
    number INTEGER NOT NULL,
    cash_code TEXT NOT NULL,
    shop_code TEXT NOT NULL,
    cashier TEXT NOT NULL,
    time_beg TEXT,
    time_end TEXT,
    first_number INTEGER NOT NULL,
    last_number INTEGER NOT NULL,
    recorded_sales INTEGER NOT NULL,
    recorded_refunds INTEGER NOT NULL,
    recorded_sale_sum INTEGER NOT NULL,
    recorded_refund_sum INTEGER NOT NULL,
    drawer_sum INTEGER NOT NULL,
    recorded_sale_cash INTEGER NOT NULL,
    recorded_sale_noncash INTEGER NOT NULL,
    counted_sales INTEGER NOT NULL,
    counted_refunds INTEGER NOT NULL,
    counted_sale_sum INTEGER NOT NULL,
    counted_refund_sum INTEGER NOT NULL,
    counted_documents INTEGER NOT NULL,
    unfinished_documents INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    closed_at INTEGER,
    PRIMARY KEY(till, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE shift_user(
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY(till, shift, code)
) STRICT, WITHOUT ROWID;

-- One row for each shift of which anything has arrived, with the last check's result.
CREATE TABLE shift_check(
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    shop TEXT NOT NULL,
    day TEXT NOT NULL,
    first_time TEXT,
    verdict TEXT NOT NULL,
    outcome TEXT NOT NULL,
    server_sales INTEGER NOT NULL,
    server_refunds INTEGER NOT NULL,
    server_sale_sum INTEGER NOT NULL,
    server_refund_sum INTEGER NOT NULL,
    server_documents INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    handed_over INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(till, shift)
) STRICT, WITHOUT ROWID;
CREATE INDEX shift_check_by_day ON shift_check(day);
CREATE INDEX shift_check_by_verdict ON shift_check(verdict);

-- What somebody should look at. A subject is found once, however often it is seen.
CREATE TABLE finding(
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    till TEXT NOT NULL,
    shift INTEGER,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    times INTEGER NOT NULL,
    resolved_at INTEGER,
    UNIQUE(till, kind, subject)
) STRICT;
CREATE INDEX finding_by_time ON finding(last_seen);

-- Documents that are no receipts, as they came (protobuf).
CREATE TABLE refused(
    id INTEGER PRIMARY KEY,
    till TEXT NOT NULL,
    content BLOB NOT NULL,
    reason TEXT NOT NULL,
    document BLOB,
    received_at INTEGER NOT NULL,
    UNIQUE(till, content)
) STRICT;
