"""Neurodata Without Borders (.nwb), with pynwb: a processing module ``myow`` in a copy of a session's file, or in a new one.

=======================  ====================================================================================================
``embedding``            ``TimeSeries``, (T, D) float32, at the start of each bin in s; ``comments`` holds provenance as JSON
``embedding_segments``   ``TimeIntervals``: start and stop of each segment by start, its number, and its rows of the series
``embedding_bins``       a row a bin, in the order of the series: ``time`` (exact), ``segment``, labels as ``label_NAME``, and
                         ``row``, that of the bin in the recording
=======================  ====================================================================================================

Time in a series must rise. Segments in another order are put in that of time; where segments overlap, they are dealt out to
several series, ``embedding``, ``embedding_2``, ..., that hold the rows one after the other.
"""

from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data.embedding import Embedding
from ..disk.storage import writing
from ..errors import DataError, FileError, MyowError, SettingError, unknown_name
from ..extras import need
from ..readers._fields import Allowance
from ..readers._guard import open_hdf5
from ._disk import in_memory, reserve
from ._nwb_parts import MODULE, add_parts, read_parts
from ._nwb_session import new_file

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".nwb",)


def write(
    path: Path,
    embedding: Embedding,
    *,
    into: str | Path | None = None,
    name: str = "embedding",
    session_start_time: str | datetime | None = None,
    subject_id: str | None = None,
    species: str | None = None,
    sex: str | None = None,
    age: str | None = None,
) -> None:
    """Write an embedding as NWB.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    into : path-like, optional
        File of the session. It stays as it is; what is written is a copy of it with the embedding in it.
    name : str, optional
        Name of the series; a file can hold several embeddings.
    session_start_time : str or datetime, optional
        Of a new file: when time 0 was, such as "2020-01-31T12:00:00+01:00". Default: 1970, which stands for not known.
    subject_id, species, sex, age : str, optional
        Of a new file: as NWB wants them, such as "Macaca mulatta", "M", "P8Y". Default: what stands for not known.

    Raises
    ------
    FileError
        If `into` is missing, damaged, the file to write, or cannot be added to.
    DataError
        If times are not those of one clock, or the file holds an embedding of that name.
    """
    pynwb = need("pynwb", "nwb", "writing .nwb files")
    about = {
        "session_start_time": session_start_time,
        "subject_id": subject_id,
        "species": species,
        "sex": sex,
        "age": age,
    }
    given = [key for key, value in about.items() if value is not None]
    if into is not None and given:
        raise SettingError(f"{given[0]} is for a new file, and {into} has its own; leave it out")
    if not name.replace("_", "").isalnum():
        raise SettingError(f"name is '{name}'; it must be letters, digits and underscores")
    source = None if into is None else _source(Path(into), path)
    with _named(source or path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's, about versions of schemas and order of axes
        if source is None:
            with in_memory(path, "nwb") as file:
                _add(pynwb.NWBHDF5IO(file=file, mode="w"), new_file(embedding, about), embedding, name)
            return
        with writing(path) as part:
            shutil.copyfile(source, part)
            reserve(part, embedding)
            with pynwb.NWBHDF5IO(part, "a") as io:
                _add(io, io.read(), embedding, name)


def _add(io: Any, nwb: Any, embedding: Embedding, name: str) -> None:
    add_parts(nwb, embedding, name)
    io.write(nwb)


def read(path: Path, *, name: str | None = None) -> Embedding:
    """Read an embedding from NWB.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        Name of the series. Default: the only one.

    Returns
    -------
    Embedding
    """
    with open_hdf5(path, "NWB file", extra="nwb") as file:
        module = file.get(f"processing/{MODULE}")
        held = [] if module is None else [key for key in module if f"{key}_bins" in module]
        if not held:
            raise FileError(
                f"{path} holds no embedding: it has no processing module '{MODULE}' of one; write it with myow.write"
            )
        if name is None and len(held) > 1:
            raise DataError(f"{path} holds several embeddings, {', '.join(held)}; choose one with name=")
        if name is not None and name not in held:
            raise unknown_name(f"embedding of {path}", name, held)
        return read_parts(path, module, name or held[0], Allowance(path))


def _source(into: Path, path: Path) -> Path:
    """Return the file of a session, once it is known that it can be added to."""
    if not into.is_file():
        raise FileError(f"there is no file {into}; check the path")
    if path.exists() and path.samefile(into):
        raise FileError(f"{path} is the file of the session, which is left as it is; give the result another name")
    with open_hdf5(into, "NWB file", extra="nwb") as file:
        if "nwb_version" not in file.attrs:
            raise FileError(f"{into} is HDF5, but no NWB file: it has no nwb_version; give the NWB file of the session")
    return into


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which file it is what pynwb raises, unless it is the disk's fault."""
    try:
        yield
    except (MyowError, OSError, RuntimeError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise FileError(
            f"pynwb cannot add an embedding to {path} ({type(error).__name__}: {reason}); check the file"
        ) from error
