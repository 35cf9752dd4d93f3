"""A POS that knows nothing but docs/formats/till-databases.md and the two SQL files that it names.

Looks goods up in dictionaries.db, writes a shift with two receipts into documents.db, closes it, and prints the uuids of the
receipts. Arguments: dictionaries.db, documents.db, the page, schema.sql, close_shift.sql.
"""
import json
import re
import sqlite3
import sys
import time
import uuid

dictionaries, documents, page, schema, close_shift = sys.argv[1:]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def documented(table):
    """The documented statement that writes into a table, or reads from it."""
    for block in re.findall(r"```sql\n(.*?)```", open(page, encoding="utf-8").read(), re.S):
        if re.match(rf"INSERT INTO {table} |SELECT .* FROM {table} WHERE barcode", block, re.S):
            return block
    raise SystemExit(f"{page} has no statement for {table}")


shelf = sqlite3.connect(f"file:{dictionaries}?mode=ro", uri=True)
look_up = documented("goods")

made = sqlite3.connect(documents, isolation_level=None)
made.execute("PRAGMA journal_mode = WAL")
made.execute("PRAGMA synchronous = FULL")
if not made.execute("SELECT 1 FROM sqlite_schema WHERE name = 'workshift'").fetchone():
    # Whole or not at all: an agent that looks at half of it says that this POS does not fit it.
    made.executescript(f"BEGIN;\n{open(schema, encoding='utf-8').read()}\nCOMMIT;")

till = {"shop": "7", "till": "71", "cashier": "3", "name": "Ольга"}
shift = made.execute(documented("workshift"), {**till, "shift": 1, "time": now()}).lastrowid
made.execute(documented("users"), {**till, "workshiftid": shift})

receipts = []
for number, basket in [(1, [("b1", 2000)]), (2, [("b2", 1000), ("b1", 500)])]:
    lines = []
    for barcode, quantity in basket:
        found = shelf.execute(look_up, {"barcode": barcode}).fetchone()
        if found is None:
            raise SystemExit(f"{dictionaries} has no barcode {barcode} yet: see `sync-agent status`")
        code, _, price = found[:3]
        lines.append({"barcode": barcode, "quantity": quantity, "code": code, "price": price,
                      "sum": price * quantity // 1000})
    total, identifier = sum(line["sum"] for line in lines), str(uuid.uuid4())
    made.execute("BEGIN IMMEDIATE")
    head = {**till, "workshiftid": shift, "number": number, "time": now(), "sum": total, "uuid": identifier}
    document = made.execute(documented("document"), head).lastrowid
    for position, line in enumerate(lines, start=1):
        made.execute(documented("goodsitem"),
                     {**line, "documentid": document, "position": position, "time": now()})
    made.execute(documented("moneyitem"), {"documentid": document, "time": now(), "sum": total})
    made.execute("COMMIT")
    receipts.append({"uuid": identifier, "number": number, "sum": total})

# ?1 the shift, ?2 the time, ?3 the payment type that is cash.
made.execute(open(close_shift, encoding="utf-8").read(), (shift, now(), 1))
print(json.dumps(receipts))
