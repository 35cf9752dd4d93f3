-- What a POS asks of a barcode; `{now}` is the time that prices are asked for. A price of a document (table price) goes
-- before all others while it is effective: one of the barcode before one of the item, a sale-off before a repricing,
-- the latest first. Then the price of the barcode, then that of the item.
    b.barcode,
    i.code,
    coalesce(nullif(b.name, ''), i.name) AS name,
    coalesce(
        (SELECT p.price FROM price p
         WHERE p.barcode IN (b.barcode, i.code)
           AND p.price IS NOT NULL
           AND (p.effectivedate IS NULL OR p.effectivedate <= {now})
           AND (p.effectivedateend IS NULL OR p.effectivedateend >= {now})
         ORDER BY p.barcode = b.barcode DESC, p.doctype DESC, p.effectivedate DESC, p.documentid DESC
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
