"""Parquet (.parquet), with pyarrow: a row a bin, and what the columns do not say as JSON under the key ``myow`` of its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..disk.storage import writing
from ..errors import FileError
from ..extras import need
from ..readers._fields import most_bytes
from ..readers._guard import parsing
from ..readers._parquet import METADATA, open_parquet
from ._about import as_texts, joined_texts, json_object
from ._table import about_columns, column_types, columns_of, embedding_of

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".parquet",)


def write(path: Path, embedding: Embedding) -> None:
    """Write an embedding as a Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    """
    arrow = need("pyarrow", "parquet", "writing .parquet files")
    parquet = need("pyarrow.parquet", "parquet", "writing .parquet files")
    columns = {name: _arrow(arrow, values) for name, values in columns_of(path, embedding).items()}
    about = json.dumps(about_columns(embedding), allow_nan=False)
    table = arrow.table(columns).replace_schema_metadata({METADATA: about.encode()})
    with writing(path) as part:
        parquet.write_table(table, part, write_page_checksum=True)


def read(path: Path) -> Embedding:
    """Read an embedding from a Parquet file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Embedding
    """
    with open_parquet(path) as file, parsing(path, "Parquet file"):
        schema, rows = file.schema_arrow, file.metadata.num_rows
        kept = (schema.metadata or {}).get(METADATA)
        if kept is None:
            raise FileError(
                f"{path} holds no embedding: its metadata has no '{METADATA.decode()}'; write it with myow.write"
            )
        # Equal values take next to no bytes, so that rows cannot be held against the size of the file.
        if rows * len(schema) * 8 > most_bytes(path):
            raise FileError(
                f"{path} promises {rows} rows of {len(schema)} columns, more than fit in memory; it was altered"
            )
        about = json_object(path, kept, "its metadata")
        types = column_types(path, about, schema.names)
        return embedding_of(path, about, lambda name: _column(path, file, name, types[name]))


def _arrow(arrow: Any, values: NDArray[Any]) -> Any:
    if values.dtype.kind == "U":
        return arrow.array(values.tolist(), arrow.string())
    return arrow.array(np.ascontiguousarray(values))


def _column(path: Path, file: Any, name: str, kind: str) -> NDArray[Any]:
    column = file.read(columns=[name], use_threads=False).column(name)
    if column.null_count:
        raise FileError(f"{path}: column '{name}' lacks values; it was altered")
    if kind != "str":
        return np.asarray(column.to_numpy()).astype(kind, casting="same_kind", copy=False)
    texts = [as_texts(path, chunk.dictionary.to_pylist())[chunk.indices.to_numpy()] for chunk in column.chunks]
    return joined_texts(path, texts)
