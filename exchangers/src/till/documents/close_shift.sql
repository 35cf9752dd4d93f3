-- ?1 workshiftid, ?2 time, ?3 the payment type that is cash. What was paid with a sale is its payments less the change.
WITH finished AS (
    SELECT * FROM document WHERE workshiftid = ?1 AND closed IN (1, 2)
), money AS (
    SELECT d.doctype, m.valcode, CASE WHEN m.opcode IN (72, 76, 101) THEN -m.sumb ELSE m.sumb END AS amount
    FROM finished d JOIN moneyitem m USING (documentid)
), totals AS (
    SELECT
        (SELECT min(checknum) FROM document WHERE workshiftid = ?1) AS first,
        (SELECT max(checknum) FROM document WHERE workshiftid = ?1) AS last,
        (SELECT min(time_end) FROM finished) AS first_time,
        (SELECT count(*) FROM finished WHERE doctype = 1) AS sales,
        (SELECT count(*) FROM finished WHERE doctype IN (2, 25)) AS refunds,
        (SELECT coalesce(sum(sumb), 0) FROM finished WHERE doctype = 1) AS sale_sum,
        (SELECT coalesce(sum(sumb), 0) FROM finished WHERE doctype IN (2, 25)) AS refund_sum,
        (SELECT coalesce(sum(amount), 0) FROM money WHERE doctype = 1 AND valcode = ?3) AS sale_cash,
        (SELECT coalesce(sum(amount), 0) FROM money WHERE doctype IN (2, 25) AND valcode = ?3) AS refund_cash,
        (SELECT coalesce(sum(sumb), 0) FROM finished WHERE doctype = 3) AS cash_in,
        (SELECT coalesce(sum(sumb), 0) FROM finished WHERE doctype = 4) AS cash_out
)
UPDATE workshift SET
    time_end = ?2,
    update_time = ?2,
    checknum1 = first,
    checknum2 = last,
    firstchecktime = first_time,
    countsale = sales,
    countrefund = refunds,
    sumsale = sale_sum,
    sumrefund = refund_sum,
    sumgain = sale_sum - refund_sum,
    sumsalecash = sale_cash,
    sumsalenoncash = sale_sum - sale_cash,
    sumrefundcash = refund_cash,
    sumrefundnoncash = refund_sum - refund_cash,
    sumgaincash = sale_cash - refund_cash,
    sumgainnoncash = (sale_sum - sale_cash) - (refund_sum - refund_cash),
    sumdrawer = sumdrawer + sale_cash - refund_cash + cash_in - cash_out
FROM totals
WHERE workshiftid = ?1
