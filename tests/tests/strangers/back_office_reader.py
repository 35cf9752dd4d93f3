"""Reads sales files with the demands of a back office's reader in production, in words of our own.

A file named on the command line that does not read as such a reader needs it is told of, and the exit code is 1. The reader
joins the lines, finds a section by its marks, cuts it at `}---`, and takes each part as a JSON object. So a line separator
inside a string ends its reading (what `.` of a Java pattern does not match), and every array must be there, even when empty.
"""

import json
import sys

LINE_SEPARATORS = "\n\r\u0085\u2028\u2029"
RECEIPTS = (1, 8, 18, 2, 25, 7)
CERTIFICATES = (63, 64)


class Wrong(Exception):
    """What a reader would stop at."""


def need(thing, key, kind=None):
    if key not in thing:
        raise Wrong(f"{key} is not there")
    value = thing[key]
    if kind is str and not isinstance(value, str):
        raise Wrong(f"{key} is no string: {value!r}")
    if kind is int and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise Wrong(f"{key} is no number: {value!r}")
    if kind is list and not isinstance(value, list):
        raise Wrong(f"{key} is no array: {value!r}")
    return value


def section(text, name):
    begin, end = f"### {name} begin ###", f"### {name} end ###"
    first, last = text.find(begin), text.rfind(end)
    if first < 0 or last < 0:
        raise Wrong(f"no section {name}")
    if any(character in text for character in LINE_SEPARATORS):
        raise Wrong(f"section {name} has a line separator inside")
    return text[first + len(begin) : last]


def objects(text):
    parts = [part for part in text.split("}---") if part]
    for place, part in enumerate(parts):
        whole = part if place + 1 == len(parts) else part + "}"
        try:
            yield json.JSONDecoder().raw_decode(whole)[0]
        except ValueError as error:
            raise Wrong(f"cannot parse {whole[:60]!r}: {error}") from error


def common(thing):
    int(need(thing, "cashCode", str))
    need(thing, "shift", int)


def shift(thing):
    common(thing)
    need(thing, "sumGain", int)
    need(thing, "timeBeg")
    need(thing, "timeEnd")
    for register in need(thing, "kkms", list):
        need(register, "serialNum", str)
        for key in ("sumCashEnd", "sumProtectedBeg", "sumProtectedEnd", "sumBack"):
            need(register, key)


def position(thing):
    need(thing, "barCode", str)
    need(thing, "inventCode", str)
    if need(thing, "opCode", int) in CERTIFICATES:
        need(thing, "bcode_main", str)
    for key in ("posNum", "quant", "price", "posSum", "disc_abs"):
        need(thing, key, int)
    for bonus in need(thing, "bonusPositions", list):
        need(bonus, "amount", int)
    for tax in need(thing, "taxes", list):
        need(tax, "taxSum", int)
    for discount in need(thing, "discountPositions", list):
        need(discount, "discType", str)
        need(discount, "discSum", int)
        need(discount, "checkSum", int)


def document(thing):
    common(thing)
    need(thing, "stornoPositions", list)
    if need(thing, "docType", int) not in RECEIPTS:
        return
    need(thing, "docNum", int)
    need(thing, "userCode", str)
    need(thing, "timeEnd")
    for money in need(thing, "moneyPositions", list):
        for key in ("valCode", "opCode", "sumB"):
            need(money, key, int)
    for card in need(thing, "cardPositions", list):
        need(card, "number", str)
    for line in need(thing, "inventPositions", list):
        position(line)


def read(path):
    """How many shifts and documents a file holds, and what is wrong with it."""
    with open(path, encoding="utf-8", newline="") as file:
        text = "".join(file.read().split("\n"))
    counts, wrong = [], []
    for name, check in (("shift info", shift), ("sales data", document)):
        count = 0
        try:
            for thing in objects(section(text, name)):
                count += 1
                try:
                    check(thing)
                except (Wrong, ValueError) as error:
                    wrong.append(f"{name}, document {thing.get('docNum')}: {error}")
        except Wrong as error:
            wrong.append(str(error))
        counts.append(count)
    return counts, wrong


def main(paths):
    failed = False
    for path in paths:
        (shifts, documents), wrong = read(path)
        print(f"{path}: {shifts} shifts, {documents} documents")
        for line in wrong:
            failed = True
            print(f"    {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
