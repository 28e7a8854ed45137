"""What is in a MATLAB file of version 5, looked through before scipy reads it.

scipy believes what a file says: it makes room for as many cells as are promised and follows lists in lists as deep as they go. So
tags are walked here first, and what promises more than its bytes can hold, or is too deep, is refused.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import FileError
from ._fields import most_bytes
from ._guard import DEFLATE

__all__ = ["CELL", "CHAR", "NUMERIC", "SPARSE", "STRUCT", "Variable", "scan"]

MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, OBJECT, CHAR, SPARSE, OPAQUE = 1, 2, 3, 4, 5, 17
NUMERIC = {
    6: "float64",
    7: "float32",
    8: "int8",
    9: "uint8",
    10: "int16",
    11: "uint16",
    12: "int32",
    13: "uint32",
    14: "int64",
    15: "uint64",
}
DEEPEST = 32
ELEMENTS = 2_000_000
SPACES = 100_000  # characters of a text that may be promised without being there
HEAD = 1 << 16


@dataclass(frozen=True)
class Variable:
    """A variable at the top of a file: its name, MATLAB's number of its class, its shape."""

    name: str
    kind: int
    shape: tuple[int, ...]
    is_complex: bool


def scan(path: Path) -> list[Variable]:
    """Return the variables of a file; numbers themselves are not read.

    Raises
    ------
    FileError
        If it promises what it cannot hold, or more than it may.
    """
    found = []
    with path.open("rb") as file:
        header = file.read(128)
        mark = header[126:128]
        if len(header) < 128 or mark not in (b"IM", b"MI"):
            raise FileError(f"{path} is no whole MATLAB file of version 5 to 7.3; save it again with -v7 or -v7.3")
        walk = _Walk(path, "<" if mark == b"IM" else ">")
        for kind, size in walk.top(file, path.stat().st_size):
            variable = walk.variable(file, kind, size)
            if variable is not None and variable.name:
                found.append(variable)
    return found


class _Walk:
    """Walks over tags and counts what they promise."""

    def __init__(self, path: Path, order: str) -> None:
        self.path, self.order = path, order
        self.left, self.elements = most_bytes(path), 0

    def refuse(self, reason: str) -> FileError:
        return FileError(f"{self.path} is no whole MATLAB file: {reason}; it was truncated or altered, save it again")

    def top(self, file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
        """Yield kind and size of each element at the top, with the file standing at its content."""
        place = 128
        while place + 8 <= size:
            file.seek(place)
            kind, length = struct.unpack(self.order + "II", file.read(8))
            if kind not in (MATRIX, COMPRESSED) or place + 8 + length > size:
                raise self.refuse(f"at byte {place} it promises {length} bytes of kind {kind}")
            yield kind, length
            place += 8 + length
        if place != size:
            raise self.refuse(f"it ends at byte {size}, inside of a variable")

    def variable(self, file: BinaryIO, kind: int, size: int) -> Variable | None:
        """Read what a variable is, and look through it unless it is plain numbers."""
        packed = file.read(size) if kind == COMPRESSED else b""
        unpack = zlib.decompressobj()
        if kind == COMPRESSED:
            head = unpack.decompress(packed, HEAD)
            kind, size = struct.unpack(self.order + "II", head[:8].ljust(8, b"\0"))
            if kind != MATRIX or size > DEFLATE * len(packed):
                raise self.refuse(f"{len(packed)} packed bytes promise {size}")
        else:
            head = bytes(8) + file.read(min(size, HEAD))
        self.left -= size
        if self.left < 0:
            raise FileError(
                f"{self.path} would take more than {most_bytes(self.path)} bytes of memory; save less in it"
            )
        if size == 0:
            return None
        end = size + 8
        place, variable = self.head(head, 8, min(len(head), end))
        if variable.kind in NUMERIC:
            _, start, length, _ = self.tag(head, place, len(head))
            if start + length > end:
                raise self.refuse(f"{variable.name} promises {length} bytes where {end - start} are left")
            return variable
        missing = max(end - len(head), 0)
        head += unpack.decompress(unpack.unconsumed_tail, missing) if packed and missing else file.read(missing)
        if len(head) < end:
            raise self.refuse(f"{variable.name} ends early")
        self.content(head, place, end, variable, 0)
        return variable

    def tag(self, data: bytes, place: int, end: int) -> tuple[int, int, int, int]:
        """Return kind, start of the content, its size, and where the next element starts."""
        self.elements += 1
        if place + 8 > end or self.elements > ELEMENTS:
            raise self.refuse("an array ends early" if self.elements <= ELEMENTS else "it has too many elements")
        kind, size = struct.unpack_from(self.order + "II", data, place)
        if kind >> 16:  # up to four bytes stand inside of the tag
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise self.refuse(f"{size} bytes inside of a tag")
            return kind, place + 4, size, place + 8
        return kind, place + 8, size, place + 8 + size + (-size) % 8

    def head(self, data: bytes, place: int, end: int) -> tuple[int, Variable]:
        """Read class, shape and name of an array; return where its content starts."""
        _, start, size, place = self.tag(data, place, end)
        if size < 8 or start + 8 > end:
            raise self.refuse("an array has no flags")
        (flags,) = struct.unpack_from(self.order + "I", data, start)
        kind, is_complex = flags & 0xFF, bool(flags & 0x800)
        if kind == OPAQUE:
            _, start, size, place = self.tag(data, place, end)
            return place, Variable(self.text(data, start, size, end), kind, (), False)
        _, start, size, place = self.tag(data, place, end)
        if start + size > end or size % 4 or not 8 <= size <= 4 * DEEPEST:
            raise self.refuse("an array has no shape")
        shape = struct.unpack_from(f"{self.order}{size // 4}i", data, start)
        if min(shape) < 0:
            raise self.refuse(f"an array has shape {shape}")
        _, start, size, place = self.tag(data, place, end)
        return place, Variable(self.text(data, start, size, end), kind, shape, is_complex)

    def text(self, data: bytes, start: int, size: int, end: int) -> str:
        if start + size > end or size > 4096:
            raise self.refuse("a name is too long")
        name = data[start : start + size].decode("latin1")
        if name and not name.isprintable():  # it will stand in messages
            raise self.refuse("a name is no text")
        return name

    def content(self, data: bytes, place: int, end: int, of: Variable, depth: int) -> None:
        """Walk over what an array holds, and hold the number of pieces against its shape."""
        if depth > DEEPEST:
            raise self.refuse(f"{of.name or 'it'} holds lists inside of lists, deeper than {DEEPEST}")
        parts: list[tuple[int, int]] = []
        pieces = 0
        while place < end:
            kind, start, size, after = self.tag(data, place, end)
            if start + size > end:
                raise self.refuse(f"{of.name or 'an array'} promises {size} bytes where {end - start} are left")
            if kind != MATRIX:
                parts.append((start, size))
            else:
                pieces += 1
                if size:
                    inner, child = self.head(data, start, start + size)
                    self.content(data, inner, start + size, child, depth + 1)
            place = after
        n = math.prod(of.shape)
        if of.kind in (STRUCT, OBJECT):
            n = self.fields(data, parts[of.kind - STRUCT :]) * n if n > 1 else pieces
        if of.kind in (CELL, STRUCT, OBJECT) and pieces != n:
            raise self.refuse(f"{of.name or 'a list'} of shape {of.shape} has {pieces} pieces, not {n}")
        if of.kind == CHAR and n > max(SPACES, *(size for _, size in parts)):
            raise self.refuse(f"{of.name or 'a text'} of shape {of.shape} is longer than its bytes")

    def fields(self, data: bytes, parts: list[tuple[int, int]]) -> int:
        """Return how many fields a struct has: their names stand in one piece, each as wide as is said before."""
        if len(parts) < 2 or parts[0][1] < 4:
            raise self.refuse("a struct has no names of fields")
        (width,) = struct.unpack_from(self.order + "i", data, parts[0][0])
        count = parts[1][1] // width if width > 0 else 0
        if not count:
            raise self.refuse("a list of structs has no fields")
        return count
