-- dictionary.db, schema 3: what hangs on an item by its code and did not come inside it is found without looking at all of its
-- kind: barcodes (2) and items on scales (31), whose key has that code as its second part. What came inside is found by its owner.
CREATE INDEX object_hanging ON object(layer, kind, substr(key, instr(key, char(31)) + 1))
    WHERE owner IS NULL AND kind IN (2, 31);
