-- exchange.db, version 9. How long deliveries took that came to their end, for the charts of a day and a week: how many in an
-- hour (since 1970 UTC) took at most so many milliseconds, and longer than the step before it. Deliveries themselves are too many
-- to be read for that.
CREATE TABLE way(
    hour INTEGER NOT NULL,
    took_up_to INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY(hour, took_up_to)
) STRICT, WITHOUT ROWID;
