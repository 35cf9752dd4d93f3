-- Codes by which tills are attached. What proves a code is kept, never the code.
CREATE TABLE attach_code(
    name    INTEGER PRIMARY KEY,                     -- 20 bits: the public part
    key     BLOB NOT NULL,                           -- what proofs are made with
    node    INTEGER NOT NULL REFERENCES node,        -- whom it attaches
    made_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by TEXT,                                    -- the address of the peer that used it
    attempt BLOB                                     -- BLAKE3 of what that peer made for this use
) STRICT;
CREATE INDEX attach_code_of_node ON attach_code(node);
