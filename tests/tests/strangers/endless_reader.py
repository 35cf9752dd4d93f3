"""Reads a database and never ends its transaction, until its standard input ends. Argument: the database."""
import sqlite3
import sys

connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM goods").fetchone()
print("reading", flush=True)
sys.stdin.read()
