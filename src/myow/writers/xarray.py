"""Xarray: a ``Dataset``, and NetCDF 4 files (.nc) through h5netcdf.

``z`` has dimensions ``time`` (start of each bin in s) and ``dimension`` (their names); ``segment`` and the labels, ``label_NAME``,
go along ``time``. ``bin_size`` in s, ``name`` and ``provenance`` (JSON) are attributes; ``period`` is one of a cyclic label.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.embedding import Embedding
from ..errors import FileError
from ..extras import need
from ..readers._fields import most_bytes
from ..readers._guard import check_dataset, open_hdf5
from ._about import LABEL, as_texts, encoded, json_object, plain_name, restored
from ._disk import in_memory

__all__ = ["SUFFIXES", "read", "to_xarray", "write"]

SUFFIXES = (".nc",)

PARTS = ("z", "time", "segment", "dimension")


def to_xarray(embedding: Embedding) -> Any:
    """Return an embedding as an xarray ``Dataset``.

    Parameters
    ----------
    embedding : Embedding
        What to return.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    SettingError
        If xarray is not installed.

    Examples
    --------
    >>> dataset = to_xarray(Embedding([[0.5, 1.0], [0.25, 2.0]], bin_size=0.1))
    >>> dict(dataset.z.sizes)
    {'time': 2, 'dimension': 2}
    """
    xarray = need("xarray", "xarray", "making xarray objects")
    variables, attributes = _parts(embedding)
    coords = {name: variables.pop(name) for name in ("time", "segment", "dimension")}
    return xarray.Dataset(variables, coords=coords, attrs=attributes)


def _parts(embedding: Embedding) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return dimensions, values and attributes of each variable, and the attributes of all."""
    about = {"long_name": "start of the bin", "units": "s"}
    variables: dict[str, Any] = {
        "z": (("time", "dimension"), embedding.z, {}),
        "time": (("time",), embedding.times, about),
        "segment": (("time",), embedding.segments, {}),
        "dimension": (("dimension",), np.array(embedding.dimensions), {}),
    }
    for name, values in embedding.labels.items():
        dims = ("time",) if values.ndim == 1 else ("time", f"column_{encoded(name)}")
        variables[LABEL + encoded(name)] = (
            dims,
            values,
            {"period": embedding.periods[name]} if name in embedding.periods else {},
        )
    return variables, {
        "bin_size": embedding.bin_size,
        "name": embedding.name,
        "provenance": json.dumps(dict(embedding.provenance)),
    }


def write(path: Path, embedding: Embedding) -> None:
    """Write an embedding as NetCDF 4.

    Parameters
    ----------
    path : Path
        The file.
    embedding : Embedding
        What to write.
    """
    netcdf, h5py = (need(package, "xarray", "writing .nc files") for package in ("h5netcdf", "h5py"))
    variables, attributes = _parts(embedding)
    with in_memory(path, "xarray") as held, netcdf.File(held, "w") as file:
        for name, (dims, values, about) in variables.items():
            for dim, size in zip(dims, values.shape, strict=True):
                if dim not in file.dimensions:
                    file.dimensions[dim] = size
            kind = values.dtype
            if kind.kind == "b":  # NetCDF has none; so xarray writes and reads it
                kind, about = np.dtype(np.int8), {"dtype": "bool"} | about
            elif kind.kind == "U":
                kind, values = h5py.string_dtype(), values.astype(object)
            file.create_variable(name, dims, kind, data=values).attrs.update(about)
        file.variables["z"].attrs["coordinates"] = "segment"
        file.attrs.update(attributes)


def read(path: Path) -> Embedding:
    """Read an embedding from NetCDF 4.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Embedding
    """
    xarray = need("xarray", "xarray", "reading .nc files")
    need("h5netcdf", "xarray", "reading .nc files")
    with open_hdf5(path, "NetCDF file", extra="xarray") as file:
        left = most_bytes(path)
        for held in file.values():  # before any of it is loaded
            if hasattr(held, "shape"):
                check_dataset(held, left)
                left -= held.size * held.dtype.itemsize
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as dataset:
            missing = [name for name in PARTS if name not in dataset.variables]
            if missing:
                raise FileError(f"{path} holds no embedding: it has no '{missing[0]}'; write it with myow.write")
            return _restored(path, dataset.load())


def _restored(path: Path, dataset: Any) -> Embedding:
    about = {key: dataset.attrs.get(key) for key in ("bin_size", "name")}
    about["dimensions"] = dataset["dimension"].values.tolist()
    if "provenance" in dataset.attrs:
        about["provenance"] = json_object(path, dataset.attrs["provenance"], "provenance")
    found = {
        plain_name(str(key)).removeprefix(LABEL): held
        for key, held in dataset.variables.items()
        if str(key).startswith(LABEL)
    }
    about["periods"] = {name: held.attrs["period"] for name, held in found.items() if "period" in held.attrs}
    z = dataset["z"].transpose("time", "dimension").values
    labels = {name: _values(path, held.values) for name, held in found.items()}
    return restored(path, about, z, dataset["time"].values, dataset["segment"].values, labels)


def _values(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind != "O":
        return values
    return as_texts(path, values.ravel().tolist()).reshape(values.shape)
