"""MATLAB files of version 7.3 as MATLAB lays them out, made with h5py; those of version 5 are scipy's."""

import h5py
import numpy as np
from scipy.io import savemat

CLASSES = {"float64": "double", "float32": "single", "bool": "logical", "uint8": "uint8", "int64": "int64"}


def cells(*things):
    """A cell array of one row."""
    array = np.empty(len(things), dtype=object)
    array[:] = things
    return array


def write_mat5(path, content):
    savemat(path, content)


def write_mat73(path, content):
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        for key, value in content.items():
            _write(file, refs, key, value)
    stamp(path)


def stamp(path):
    """Write the header by which MATLAB and others tell the version."""
    with path.open("rb+") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _write(group, refs, key, value):
    if isinstance(value, dict):
        inner = group.create_group(key)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, one in value.items():
            _write(inner, refs, name, one)
        return
    value = np.asarray(value)
    if value.dtype.names:  # a list of structs: each field is a list of references
        inner = group.create_group(key)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for name in value.dtype.names:
            inner[name] = _references(refs, value[name])
    elif value.dtype == object:
        group[key] = _references(refs, value)
        group[key].attrs["MATLAB_class"] = np.bytes_("cell")
    elif value.dtype.kind == "U":
        group[key] = np.frombuffer(str(value).encode("utf-16-le"), dtype="<u2")[:, None]
        group[key].attrs["MATLAB_class"] = np.bytes_("char")
    elif value.size == 0:
        group[key] = np.zeros(2, dtype=np.uint64)
        group[key].attrs["MATLAB_empty"] = np.uint8(1)
        group[key].attrs["MATLAB_class"] = np.bytes_("double")
    else:
        group[key] = np.atleast_2d(value.astype(np.uint8) if value.dtype == bool else value).T
        group[key].attrs["MATLAB_class"] = np.bytes_(CLASSES[str(value.dtype)])


def _references(refs, things):
    found = []
    for thing in things.ravel():
        name = f"r{len(refs)}"
        _write(refs, refs, name, thing)
        found.append(refs[name].ref)
    return np.array(found, dtype=h5py.ref_dtype)[:, None]


WRITERS = {"v5": write_mat5, "v7.3": write_mat73}
