-- intake.db, schema 8: loads are counted by the hour in which they came, for the charts of a day and a week.

CREATE INDEX load_by_time ON load(queued_at, node);
