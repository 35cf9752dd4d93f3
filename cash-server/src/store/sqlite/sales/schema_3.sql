-- sales.db, version 3. A shift is known by till, number and opening time: `opened` is YYYY-MM-DDTHH:MM:SS, empty where the POS
-- wrote none, and '?' where it is not told, as agents of v0.1 do not. What version 2 has of a shift gets the opening time of
-- its record. Foreign keys are off while this runs: `line` and its like keep pointing at the ids of `receipt`.

CREATE TABLE receipt_3(
    id INTEGER PRIMARY KEY,
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    opened TEXT NOT NULL,
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
    fiscal_copy INTEGER,
    cash_type INTEGER,
    UNIQUE(till, shift, opened, number, uuid)
) STRICT;
INSERT INTO receipt_3
    SELECT r.id, r.till, r.shift, CASE WHEN s.till IS NULL THEN '?' ELSE coalesce(replace(s.time_beg, ' ', 'T'), '') END, r.number, r.uuid,
        r.shop, r.document_id, r.doctype, r.cash_code, r.cashier, r.department, r.time_beg, r.time_end, r.day, r.sum_before,
        r.discount, r.sum, r.vat, r.identifier, r.source_identifier, r.fiscal_number, r.fiscal_identifier, r.back_reason,
        r.lines, r.line_sum, r.content, r.received_at, NULL, NULL
    FROM receipt r LEFT JOIN shift s ON s.till = r.till AND s.number = r.shift ORDER BY r.id;
DROP TABLE receipt;
ALTER TABLE receipt_3 RENAME TO receipt;
CREATE INDEX receipt_by_day ON receipt(day, till);

ALTER TABLE finding ADD COLUMN opened TEXT NOT NULL DEFAULT '?';
UPDATE finding SET opened = coalesce(replace(s.time_beg, ' ', 'T'), '') FROM shift s WHERE s.till = finding.till AND s.number = finding.shift;
-- What a finding about a shift is about names the opening time as well, so that it is found again.
UPDATE finding SET subject = subject || ' of ' || opened
    WHERE kind IN ('shift-differs', 'shift-changed', 'shift-refused', 'numbers-again') AND opened NOT IN ('', '?');
CREATE INDEX finding_open ON finding(last_seen) WHERE resolved_at IS NULL;
CREATE INDEX finding_closed ON finding(resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX refused_by_time ON refused(received_at);

CREATE TABLE shift_user_3(
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    opened TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY(till, shift, opened, code)
) STRICT, WITHOUT ROWID;
INSERT INTO shift_user_3
    SELECT u.till, u.shift, CASE WHEN s.till IS NULL THEN '?' ELSE coalesce(replace(s.time_beg, ' ', 'T'), '') END, u.code, u.name
    FROM shift_user u LEFT JOIN shift s ON s.till = u.till AND s.number = u.shift;
DROP TABLE shift_user;
ALTER TABLE shift_user_3 RENAME TO shift_user;

CREATE TABLE shift_check_3(
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    opened TEXT NOT NULL,
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
    PRIMARY KEY(till, shift, opened)
) STRICT, WITHOUT ROWID;
INSERT INTO shift_check_3
    SELECT c.till, c.shift, CASE WHEN s.till IS NULL THEN '?' ELSE coalesce(replace(s.time_beg, ' ', 'T'), '') END, c.shop, c.day, c.first_time,
        c.verdict, c.outcome, c.server_sales, c.server_refunds, c.server_sale_sum, c.server_refund_sum, c.server_documents,
        c.checked_at, c.changes, c.handed_over
    FROM shift_check c LEFT JOIN shift s ON s.till = c.till AND s.number = c.shift;
DROP TABLE shift_check;
ALTER TABLE shift_check_3 RENAME TO shift_check;
CREATE INDEX shift_check_by_day ON shift_check(day, till, shift, opened);
CREATE INDEX shift_check_by_till ON shift_check(till, day);
CREATE INDEX shift_check_by_shop ON shift_check(shop, day);
CREATE INDEX shift_check_by_verdict ON shift_check(verdict, day);
CREATE INDEX shift_check_not_handed_over ON shift_check(day, till, shift, opened) WHERE handed_over < changes;

CREATE TABLE shift_3(
    till TEXT NOT NULL,
    number INTEGER NOT NULL,
    opened TEXT NOT NULL,
    cash_code TEXT NOT NULL,
    shop_code TEXT NOT NULL,
    cashier TEXT NOT NULL,
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
    PRIMARY KEY(till, number, opened)
) STRICT, WITHOUT ROWID;
INSERT INTO shift_3
    SELECT till, number, coalesce(replace(time_beg, ' ', 'T'), ''), cash_code, shop_code, cashier, time_end, first_number, last_number,
        recorded_sales, recorded_refunds, recorded_sale_sum, recorded_refund_sum, drawer_sum, recorded_sale_cash,
        recorded_sale_noncash, counted_sales, counted_refunds, counted_sale_sum, counted_refund_sum, counted_documents,
        unfinished_documents, received_at, closed_at
    FROM shift;
DROP TABLE shift;
ALTER TABLE shift_3 RENAME TO shift;

-- What a receipt has beside its lines and payments.
ALTER TABLE line ADD COLUMN mark TEXT NOT NULL DEFAULT '';
ALTER TABLE line ADD COLUMN additional_barcode TEXT NOT NULL DEFAULT '';
ALTER TABLE line ADD COLUMN main_barcode TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN slip TEXT NOT NULL DEFAULT '';

CREATE TABLE tax(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    voided INTEGER NOT NULL,
    line INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    code INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY(receipt, voided, line, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE bonus(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    voided INTEGER NOT NULL,
    line INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    card_number TEXT NOT NULL,
    PRIMARY KEY(receipt, voided, line, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE failed_payment(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    opcode INTEGER NOT NULL,
    type_code INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    time TEXT NOT NULL,
    card_number TEXT NOT NULL,
    slip TEXT NOT NULL,
    PRIMARY KEY(receipt, ordinal)
) STRICT, WITHOUT ROWID;

-- Gift certificates and coupons.
CREATE TABLE voucher(
    receipt INTEGER NOT NULL REFERENCES receipt(id) ON DELETE CASCADE,
    coupon INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    number TEXT NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY(receipt, coupon, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE shift_register(
    till TEXT NOT NULL,
    shift INTEGER NOT NULL,
    opened TEXT NOT NULL,
    serial_number TEXT NOT NULL,
    cash_at_end INTEGER NOT NULL,
    protected_at_begin INTEGER NOT NULL,
    protected_at_end INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    PRIMARY KEY(till, shift, opened, serial_number)
) STRICT, WITHOUT ROWID;

-- What sales and refunds add up to, a row for each till and day, and one with an empty day for all days of the till. Faces read
-- it in place of the receipts, which grow for ever.
CREATE TABLE total(
    day TEXT NOT NULL,
    shop TEXT NOT NULL,
    till TEXT NOT NULL,
    sales INTEGER NOT NULL,
    refunds INTEGER NOT NULL,
    sale_sum INTEGER NOT NULL,
    refund_sum INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    line_sum INTEGER NOT NULL,
    PRIMARY KEY(day, shop, till)
) STRICT, WITHOUT ROWID;
CREATE INDEX total_by_till ON total(till, day);
CREATE INDEX total_by_shop ON total(shop, day);
INSERT INTO total
    SELECT day, shop, till, count(*) FILTER (WHERE doctype = 1), count(*) FILTER (WHERE doctype <> 1),
        CAST(total(sum) FILTER (WHERE doctype = 1) AS INTEGER), CAST(total(sum) FILTER (WHERE doctype <> 1) AS INTEGER),
        sum(lines), CAST(total(line_sum) FILTER (WHERE doctype = 1) AS INTEGER)
    FROM receipt WHERE doctype IN (1, 2, 25) GROUP BY day, shop, till;
INSERT INTO total
    SELECT '', shop, till, sum(sales), sum(refunds), CAST(total(sale_sum) AS INTEGER), CAST(total(refund_sum) AS INTEGER),
        sum(lines), CAST(total(line_sum) AS INTEGER)
    FROM total GROUP BY shop, till;
