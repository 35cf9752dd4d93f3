-- What a POS asks of a barcode; `{now}` is the time that prices are asked for. A price of a document (table price) goes
-- before all others while it is effective: one of the barcode before one of the item, a sale-off before a repricing,
-- the latest first. Then the price of the barcode, then that of the item.
--
-- Barcode and item are asked in two subqueries. One for both, with `IN (b.barcode, i.code)` and an order by which of the two it
-- is, fails with SQLite older than 3.53: "no such column: b.barcode". A POS brings whatever SQLite it has, 3.37 or newer.
    b.barcode,
    i.code,
    coalesce(nullif(b.name, ''), i.name) AS name,
    coalesce(
        (SELECT p.price FROM price p
         WHERE p.barcode = b.barcode
           AND p.price IS NOT NULL
           AND (p.effectivedate IS NULL OR p.effectivedate <= {now})
           AND (p.effectivedateend IS NULL OR p.effectivedateend >= {now})
         ORDER BY p.doctype DESC, p.effectivedate DESC, p.documentid DESC
         LIMIT 1),
        (SELECT p.price FROM price p
         WHERE p.barcode = i.code
           AND p.price IS NOT NULL
           AND (p.effectivedate IS NULL OR p.effectivedate <= {now})
           AND (p.effectivedateend IS NULL OR p.effectivedateend >= {now})
         ORDER BY p.doctype DESC, p.effectivedate DESC, p.documentid DESC
         LIMIT 1),
        nullif(b.price, 0),
        i.price
    ) AS price,
    coalesce(nullif(b.minprice, 0), i.minprice) AS minprice,
    coalesce(b.cquant, i.cquant) AS cquant,
    coalesce(b.measure, i.measure) AS measure,
    i.dcode,
    i.vatcode1,
    i.op_mode,
    coalesce(b.tmctype, 0) AS tmctype
