-- sales.db, version 8. Receipts are looked for along the time when they ended: of all tills, of one till, of one shop.
DROP INDEX receipt_by_day;
CREATE INDEX receipt_by_time ON receipt(time_end);
CREATE INDEX receipt_by_till ON receipt(till, time_end);
CREATE INDEX receipt_by_shop ON receipt(shop, time_end);

-- What sales and refunds add up to within a day: by hour (`HH`), by cashier, by type of payment (its number). A row for a till
-- has both names, one for a shop an empty till, one for all shops neither, so that none of these questions adds up many rows.
-- A receipt that was paid in two ways counts under both of them, each with its part of the sum; payments have no lines.
CREATE TABLE total_part(
    sort TEXT NOT NULL,
    shop TEXT NOT NULL,
    till TEXT NOT NULL,
    day TEXT NOT NULL,
    key TEXT NOT NULL,
    sales INTEGER NOT NULL,
    refunds INTEGER NOT NULL,
    sale_sum INTEGER NOT NULL,
    refund_sum INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    line_sum INTEGER NOT NULL,
    PRIMARY KEY(sort, shop, till, day, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX total_part_by_till ON total_part(sort, till, day) WHERE till > '';
INSERT INTO total_part
    SELECT 'hour', shop, till, day, substr(time_end, 12, 2), count(*) FILTER (WHERE doctype = 1),
        count(*) FILTER (WHERE doctype <> 1), CAST(total(sum) FILTER (WHERE doctype = 1) AS INTEGER),
        CAST(total(sum) FILTER (WHERE doctype <> 1) AS INTEGER), sum(lines),
        CAST(total(line_sum) FILTER (WHERE doctype = 1) AS INTEGER)
    FROM receipt WHERE doctype IN (1, 2, 25) GROUP BY day, shop, till, substr(time_end, 12, 2);
INSERT INTO total_part
    SELECT 'cashier', shop, till, day, cashier, count(*) FILTER (WHERE doctype = 1),
        count(*) FILTER (WHERE doctype <> 1), CAST(total(sum) FILTER (WHERE doctype = 1) AS INTEGER),
        CAST(total(sum) FILTER (WHERE doctype <> 1) AS INTEGER), sum(lines),
        CAST(total(line_sum) FILTER (WHERE doctype = 1) AS INTEGER)
    FROM receipt WHERE doctype IN (1, 2, 25) GROUP BY day, shop, till, cashier;
INSERT INTO total_part
    SELECT 'payment', shop, till, day, type_code, count(*) FILTER (WHERE doctype = 1),
        count(*) FILTER (WHERE doctype <> 1), CAST(total(paid) FILTER (WHERE doctype = 1) AS INTEGER),
        CAST(total(paid) FILTER (WHERE doctype <> 1) AS INTEGER), 0, 0
    FROM (
        SELECT r.day, r.shop, r.till, r.doctype, p.type_code,
            CAST(total(CASE WHEN p.opcode IN (72, 76, 101) THEN -p.sum ELSE p.sum END) AS INTEGER) AS paid
        FROM receipt r JOIN payment p ON p.receipt = r.id WHERE r.doctype IN (1, 2, 25) GROUP BY r.id, p.type_code)
    GROUP BY day, shop, till, type_code;
INSERT INTO total_part
    SELECT sort, shop, '', day, key, sum(sales), sum(refunds), CAST(total(sale_sum) AS INTEGER), CAST(total(refund_sum) AS INTEGER),
        sum(lines), CAST(total(line_sum) AS INTEGER)
    FROM total_part GROUP BY sort, shop, day, key;
INSERT INTO total_part
    SELECT sort, '', '', day, key, sum(sales), sum(refunds), CAST(total(sale_sum) AS INTEGER), CAST(total(refund_sum) AS INTEGER),
        sum(lines), CAST(total(line_sum) AS INTEGER)
    FROM total_part WHERE till = '' GROUP BY sort, day, key;
