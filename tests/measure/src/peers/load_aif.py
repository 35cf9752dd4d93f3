"""Loads the goods of an AIF file into the tables of a till: what a script of an afternoon does.

Usage: load_aif.py <file.aif> <dictionaries.db>. The tables are there, empty.
"""

import json
import sqlite3
import sys

ITEM = "INSERT INTO tmc (code, bcode, name, groupcode, price, dcode, vatcode1, measure, options) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
BARCODE = "INSERT INTO barcodes (barcode, code) VALUES (?, ?)"


def main(source, database):
    items = []
    barcodes = []
    with open(source, encoding="utf-8") as file:
        for text in file.read().split("\n---\n"):
            if not text.strip():
                continue
            record = json.loads(text)
            if record["command"] != "addInventItem":
                continue
            good = record["invent"]
            options = json.dumps(good["options"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            items.append(
                (
                    good["inventcode"],
                    good["barcode"],
                    good["name"],
                    good["inventgroup"],
                    round(good["price"] * 100),
                    good["deptcode"],
                    good["taxgroupcode"],
                    good["measurecode"],
                    options,
                )
            )
            barcodes.append((good["barcode"], good["inventcode"]))
    # Sorted keys are inserted faster.
    items.sort()
    barcodes.sort()
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(ITEM, items)
    connection.executemany(BARCODE, barcodes)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


main(sys.argv[1], sys.argv[2])
