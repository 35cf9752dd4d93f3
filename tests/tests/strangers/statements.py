"""Runs statements (a JSON list on standard input) on a database that may only be read, with Python's sqlite3.

Prints a JSON list: for each statement its rows. Arguments: the database, then parameters as name=value.
"""
import json
import sqlite3
import sys

database, parameters = sys.argv[1], dict(argument.split("=", 1) for argument in sys.argv[2:])
connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
print(json.dumps([connection.execute(sql, parameters).fetchall() for sql in json.load(sys.stdin)]))
