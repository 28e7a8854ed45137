"""Changes of bytes, of tables of text and of JSON, as an explicit generator decides."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from typing import Any

__all__ = ["NAMES", "of_bytes", "of_json", "of_lines", "of_text"]

EXTREME = (
    0,
    1,
    2,
    127,
    255,
    2**15 - 1,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
NUMBERS = (
    "0",
    "-1",
    "1e999",
    "nan",
    "-inf",
    "99999999999",
    "18446744073709551616",
    "1" + "0" * 400,
    "0x10",
    "",
    "x",
    "1.5",
    "True",
)
NAMES = ("../out", "/tmp/out", "a/../../out", "C:\\out", "..\\out", "", ".", "a\nb", "a\0b", "\N{SNOWMAN}" * 300)


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Truncate, flip, overwrite, insert, leave out, double, exchange, or put an absurd number into a field."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not data:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(64)))
        # What is in front, or at the end, says more of a file than what is between.
        near = min(len(data), 512)
        at = rng.choice((rng.randrange(len(data)), rng.randrange(near), len(data) - 1 - rng.randrange(near)))
        size = min(rng.choice((1, 2, 4, 8, 16, 64, 512)), len(data) - at)
        how = rng.randrange(9)
        if how == 0:
            del data[at:]
        elif how == 1:
            for _ in range(rng.choice((1, 1, 3, 16))):
                data[rng.randrange(max(0, at - 64), min(len(data), at + 64))] ^= 1 << rng.randrange(8)
        elif how == 2:
            data[at : at + size] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * size
        elif how == 3:
            data[at : at + size] = rng.randbytes(size)
        elif how == 4:
            data[at:at] = rng.choice((rng.randbytes(size), b"\0" * size, bytes(data[at : at + size]) * 8))
        elif how == 5:
            del data[at : at + size]
        elif how == 6:
            other = rng.randrange(len(data) - size + 1)
            data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
        elif how == 7:
            form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            width = struct.calcsize(form)
            at -= at % width if rng.random() < 0.7 else 0
            data[at : at + width] = struct.pack(form, rng.choice(EXTREME) % (1 << 8 * width))
        else:
            found = list(re.finditer(rb"\d+", bytes(data[:4096])))
            if found:
                number = rng.choice(found)
                data[number.start() : number.end()] = rng.choice(NUMBERS).encode()
    return bytes(data)


def of_text(content: bytes, rng: random.Random) -> bytes:
    """Exchange a cell, a row or a column of a table of text."""
    lines = content.split(b"\n")
    at = rng.choice((0, rng.randrange(len(lines))))
    cells = lines[at].split(b",")
    column = rng.randrange(len(cells))
    cells[column] = rng.choice(
        [*(n.encode() for n in NUMBERS), b'"', b'"a,b"', b"\xff\xfe", b"\0", b",,", b"9" * 5000, b"time", b"counts"]
    )
    how = rng.randrange(5)
    if how < 3:
        lines[at] = b",".join(cells)
    elif how == 3:
        lines.insert(at, rng.choice((lines[at], b"", lines[at] + b",1", b"," * 2000)))
    else:
        del lines[at]
    return b"\n".join(lines)


# JSON.


def _wrong(rng: random.Random) -> Any:
    nested: Any = []
    for _ in range(rng.choice((3, 200))):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return rng.choice(
        (None, True, 0, -1, 1.5, 1e308, float("nan"), 2**70, rng.choice(EXTREME), "", "x", "../../x", "a" * 5000, [], {}, [[]], [None],
         {"a": 1}, [1, "a"], nested, "0-99999999999", "5-3")
    )  # fmt: skip


def of_value(value: Any, rng: random.Random) -> Any:
    """Replace, leave out, rename or double a node of a JSON value; text that is JSON itself is opened."""
    places: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        node = todo.pop()
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                todo.append(node[key])
    if not places:
        return _wrong(rng)
    node, key = rng.choice(places)
    how = rng.randrange(8)
    if isinstance(node[key], str) and node[key][:1] == "{" and how:
        node[key] = json.dumps(of_value(json.loads(node[key]), rng))
    elif how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[rng.choice((*map(str, list(node)), "a", ""))] = node.pop(key)
    elif how == 2:
        node[key] = copy.deepcopy(rng.choice([n[k] for n, k in places]))  # a node inside itself would never end
    elif how == 3 and isinstance(node[key], (int, float)) and not isinstance(node[key], bool):
        node[key] = rng.choice((-node[key], node[key] + 1, node[key] * 1000, str(node[key]), float(node[key])))
    else:
        node[key] = _wrong(rng)
    return value


def of_json(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.01:
        return b"[" * 100_000
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 2))):
        value = of_value(value, rng)
        if not isinstance(value, (dict, list)):
            break
    return json.dumps(value).encode()


def of_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = of_json(lines[at], rng)
    return b"\n".join(lines) + b"\n"
