-- Times are milliseconds since 1970-01-01 UTC. Ids of deliveries and commands are 16 bytes (UUID v7: later ones sort later).
CREATE TABLE contact (
    till TEXT PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    present_since INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    instance BLOB NOT NULL,
    previous_instance BLOB,
    cursor INTEGER NOT NULL,
    -- What the till has, as it said it (JSON of proto::report::TillState).
    state TEXT NOT NULL,
    -- Kinds to send whole (JSON of exchange::model::Needs).
    needs TEXT NOT NULL,
    needs_since INTEGER,
    needs_reason TEXT NOT NULL,
    two_machines_at INTEGER,
    went_back_at INTEGER
);

CREATE TABLE delivery (
    id BLOB PRIMARY KEY,
    till TEXT NOT NULL,
    package TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    from_revision INTEGER NOT NULL,
    to_revision INTEGER NOT NULL,
    repair TEXT NOT NULL,
    tries INTEGER NOT NULL,
    state TEXT NOT NULL,
    state_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    reason TEXT
);
CREATE INDEX delivery_till ON delivery (till, id);
CREATE INDEX delivery_open ON delivery (till) WHERE ended = 0;
CREATE INDEX delivery_ended ON delivery (state_at) WHERE ended = 1;

CREATE TABLE command (
    id BLOB PRIMARY KEY,
    till TEXT NOT NULL,
    body BLOB NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL,
    state_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    receipts INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    reason TEXT
);
CREATE INDEX command_till ON command (till, id);
CREATE INDEX command_open ON command (id) WHERE ended = 0;
CREATE INDEX command_ended ON command (state_at) WHERE ended = 1;

CREATE TABLE broken_report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
);
