"""Columns of Parquet files, each read when it is asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ..extras import need
from ._fields import LONGEST, Field, most_bytes
from ._guard import parsing
from ._notes import Notes

__all__ = ["METADATA", "open_parquet", "parquet_columns"]

METADATA = b"myow"
"""Key of what we keep in a file beside its columns, as JSON: bin_size, kind, name, periods, source, units."""
TEXT = ("string", "large_string")


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a file; texts stay numbers in a list of those there are, until it is known how long they are."""
    parquet = need("pyarrow.parquet", "parquet", "reading .parquet files")
    with parsing(path, "Parquet file"):
        names = [one.name for one in parquet.read_schema(path) if str(one.type) in TEXT]
        with parquet.ParquetFile(path, read_dictionary=names, page_checksum_verification=True) as file:
            yield file


def parquet_columns(path: Path, file: Any, notes: Notes) -> tuple[dict[str, Field], dict[str, Any]]:
    """Return columns of an open file, and what `METADATA` says.

    Raises
    ------
    FileError
        If it is damaged, or promises more than it may.
    """
    types = need("pyarrow.types", "parquet", "reading .parquet files")
    found = {}
    with parsing(path, "Parquet file"):
        n, schema = file.metadata.num_rows, file.schema_arrow
        if len(set(schema.names)) < len(schema):
            raise DataError(f"{path} has several columns of one name; rename them")
        # Equal values take next to no bytes, so that rows cannot be held against the size of the file.
        if n * len(schema) * 8 > most_bytes(path):
            raise FileError(
                f"{path} promises {n} rows of {len(schema)} columns, more than fit in memory; read less of it"
            )
        for one in schema:
            if one.name.startswith("__index_level_"):
                notes.skipped.append(f"{one.name}: the numbers of the rows")
            elif types.is_integer(one.type) or types.is_floating(one.type) or types.is_boolean(one.type):
                dtype = {"float": "float32", "double": "float64", "halffloat": "float16"}.get(
                    str(one.type), str(one.type)
                )
                found[one.name] = Field((n,), dtype, partial(_column, path, file, one.name))
            elif types.is_dictionary(one.type) and str(one.type.value_type) in TEXT:
                found[one.name] = Field((n,), "str", partial(_texts, path, file, one.name))
            else:
                notes.skipped.append(f"{one.name}: {str(one.type)[:60]}, neither numbers nor texts")
        return found, _metadata(schema)


def _metadata(schema: Any) -> dict[str, Any]:
    try:
        kept = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
    except (ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _read(path: Path, file: Any, name: str) -> Any:
    with parsing(path, "Parquet file"):
        column = file.read(columns=[name], use_threads=False).column(name)
        if len(column) != file.metadata.num_rows:
            raise FileError(f"{path}: {name} has {len(column)} rows, not {file.metadata.num_rows}; it was altered")
        return column


def _column(path: Path, file: Any, name: str) -> NDArray[Any]:
    return np.asarray(_read(path, file, name).to_numpy())


def _texts(path: Path, file: Any, name: str) -> NDArray[Any]:
    """Return texts, None where there is none; nothing but None if any is too long for a label."""
    compute = need("pyarrow.compute", "parquet", "reading .parquet files")
    parts = []
    for chunk in _read(path, file, name).chunks:
        known = chunk.dictionary
        if len(known) and (compute.max(compute.utf8_length(known)).as_py() or 0) > LONGEST:
            return np.full(file.metadata.num_rows, None)
        # pyarrow itself puts the text before in place of one that is missing.
        at = chunk.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        parts.append(np.array([*known.to_pylist(), None], dtype=object)[at])
    return np.concatenate(parts) if parts else np.empty(0, dtype=object)
