"""Attributes that HDF5 reads by itself for the scales of dimensions, without a look at their type: a lie there breaks memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import FileError

__all__ = ["check_scales"]


def check_scales(h5py: Any, path: Path, dataset: Any) -> None:
    """Refuse a dataset whose attributes of dimension scales are not of the type and shape that HDF5 takes for granted.

    Parameters
    ----------
    h5py : module
        The library.
    path : Path
        The file, for the error's text.
    dataset : h5py.Dataset
        Whose attributes to look at; none is read.

    Raises
    ------
    FileError
        If one is of another type or shape.
    """
    shape = (len(dataset.shape or ()),)
    for name, fits in _FITS.items():
        if name in dataset.attrs:
            attribute = dataset.attrs.get_id(name)
            if not fits(h5py, attribute, shape):
                raise FileError(
                    f"{path}: attribute {name} of {dataset.name} is not what HDF5 takes it for; the file was altered, write it again"
                )


def _is_list(h5py: Any, attribute: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is lists of references, one a dimension."""
    inner = h5py.check_vlen_dtype(attribute.dtype)
    return attribute.shape == shape and inner is not None and h5py.check_ref_dtype(inner) is h5py.Reference


def _is_back(h5py: Any, attribute: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is a list of references, each with the number of a dimension."""
    parts: tuple[str, ...] = attribute.dtype.names or ()
    return (
        len(attribute.shape or ()) == 1
        and len(parts) == 2
        and h5py.check_ref_dtype(attribute.dtype[parts[0]]) is h5py.Reference
        and attribute.dtype[parts[1]].kind in "iu"
        and attribute.dtype[parts[1]].itemsize == 4
    )


def _is_texts(h5py: Any, attribute: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is texts of free length, one a dimension."""
    text = h5py.check_string_dtype(attribute.dtype)
    return attribute.shape == shape and text is not None and text.length is None


def _is_text(h5py: Any, attribute: Any, shape: tuple[int, ...]) -> bool:
    text = h5py.check_string_dtype(attribute.dtype)
    return attribute.shape == () and text is not None


_FITS = {
    "DIMENSION_LIST": _is_list,
    "REFERENCE_LIST": _is_back,
    "DIMENSION_LABELS": _is_texts,
    "CLASS": _is_text,
    "NAME": _is_text,
}
