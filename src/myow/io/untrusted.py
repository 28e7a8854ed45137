"""Files of others, read without running code: pickles, archives, HDF5; one line for what goes wrong, and bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import pickle
import pickletools
import re
import stat
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError, MyowError, need

__all__ = [
    "GIB",
    "MIB",
    "NUMBER",
    "ArrayStandIn",
    "DtypeStandIn",
    "admit_arrays",
    "check_dataset",
    "each",
    "load_arrays",
    "load_pickle",
    "mapping",
    "member_name",
    "misfit",
    "most_bytes",
    "open_hdf5",
    "optional",
    "parsing",
    "read_archive",
    "read_dataset",
    "unpickle",
    "whole",
]

GIB = 1 << 30
MIB = 1 << 20
DEFLATE = 1032  # what a byte can hold at most: deflate packs 258 bytes into two bits


@contextlib.contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever is raised inside, unless it is ours, into a `FileError` of one line.

    A parser that is given damaged bytes can fail anywhere and in any way.

    Examples
    --------
    >>> with parsing(Path("a.nwb"), "NWB file"):
    ...     {}["units"]
    Traceback (most recent call last):
    myow.errors.FileError: a.nwb is no whole NWB file (KeyError: 'units'); it was truncated, altered or is of another kind
    """
    try:
        yield
    except MyowError:
        raise
    except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check the path and its permissions") from None
    except MemoryError:
        raise FileError(f"{path} needs more memory than there is; it was altered, or hold less of it") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise FileError(
            f"{path} is no whole {what} ({type(error).__name__}: {reason}); it was truncated, altered or is of another kind"
        ) from None


def most_bytes(path: Path) -> int:
    """Return how many bytes the arrays of a file may take in memory: it is compressed at most a hundredfold, or small."""
    return max(4 * GIB, 100 * path.stat().st_size)


@contextlib.contextmanager
def open_hdf5(path: Path, what: str = "HDF5 file", *, extra: str = "hdf5") -> Iterator[Any]:
    """Open an HDF5 file for reading, once it is known to stand alone.

    Whatever is raised while it is open is turned into `FileError`, as by `parsing`. A damaged file may crash HDF5 itself.

    Raises
    ------
    FileError
        If it is damaged, or leads to another file (external links, external storage, virtual datasets).
    """
    h5py = need("h5py", extra, f"reading {path.suffix or 'HDF5'} files")

    def link_elsewhere(name: str, link: Any) -> str | None:
        return f"{name} is a link to another file" if isinstance(link, h5py.ExternalLink) else None

    def values_elsewhere(name: str, thing: Any) -> str | None:
        elsewhere = isinstance(thing, h5py.Dataset) and (thing.external or thing.is_virtual)
        return f"{name} keeps its values in another file" if elsewhere else None

    with parsing(path, what), h5py.File(path, "r") as file:
        where = file.visititems_links(link_elsewhere) or file.visititems(values_elsewhere)
        if where:
            raise FileError(f"{path}: {' '.join(where.split())}, which is not read; copy it into one file")
        yield file


def read_dataset(dataset: Any, column: str | None = None) -> NDArray[Any]:
    """Read a dataset, or a column of one.

    Raises
    ------
    FileError, DataError
        As `check_dataset`.
    """
    check_dataset(dataset, most_bytes(Path(dataset.file.filename)))
    return np.asarray(dataset[()] if column is None else dataset.fields(column)[()])


def check_dataset(dataset: Any, limit: int = 4 * GIB, *, rows: int | None = None) -> None:
    """Refuse a dataset that would take more memory than it may, before it is read.

    Parameters
    ----------
    dataset : h5py.Dataset
        What is about to be read.
    limit : int, optional
        Bytes that may be read.
    rows : int, optional
        Rows that are about to be read, where not all are.

    Raises
    ------
    FileError
        If the stored bytes cannot hold what its shape promises.
    DataError
        If what is to be read is larger than `limit`.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    shape = dataset.shape or ()
    size = math.prod(shape) * dataset.dtype.itemsize
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    # A chunk is unpacked whole, however little of it is asked for.
    if max(size, chunk if dataset.chunks else 0) > DEFLATE * stored + MIB:
        raise FileError(
            f"{where} promises {_bytes(max(size, chunk))} of shape {shape}, which the {_bytes(stored)} stored cannot hold; refused"
        )
    if rows is not None and shape:
        size = size // max(shape[0], 1) * rows
    if size > limit:
        raise DataError(f"{where} would take {_bytes(size)} of memory; the limit is {_bytes(limit)}, read less of it")


def _bytes(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024  # type: ignore[assignment]
    return ""


Shape = Any
"""A type; a list of one shape; a dict of shapes by key, which must be there while others may; or a function that judges."""

Judge = Callable[[Any], str]


def misfit(value: Any, shape: Shape) -> str:
    """Describe in a few words where a value is not of the shape; "" if it is.

    Parameters
    ----------
    value : object
        What `json.loads` returned.
    shape : Shape
        What it must be. A bool is no int, and an int must fit 64 bits.

    Examples
    --------
    >>> misfit({"fold": 0, "scores": [{"r2": "a"}]}, {"fold": int, "scores": [{"r2": optional(NUMBER)}]})
    "scores.0.r2 is 'a'"
    >>> misfit({"fold": 0}, {"fold": int})
    ''
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _is(value)
        for key, inner in shape.items():
            if key not in value:
                return f".{key} is missing".removeprefix(".")
            if wrong := misfit(value[key], inner):
                return _within(key, wrong)
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _is(value)
        return next((_within(n, wrong) for n, one in enumerate(value) if (wrong := misfit(one, shape[0]))), "")
    if isinstance(shape, type):
        good = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        return "" if good and (shape is not int or abs(value) < 2**63) else _is(value)
    found: str = shape(value)
    return found


def optional(shape: Shape) -> Judge:
    """Make a shape that may also be null."""
    return lambda value: "" if value is None else misfit(value, shape)


def whole(least: int = 0) -> Judge:
    """Make the shape of a whole number from `least` on."""
    return lambda value: misfit(value, int) or ("" if value >= least else _is(value))


def each(*shapes: Shape) -> Judge:
    """Make the shape of a list of so many, each of its own shape."""

    def judge(value: Any) -> str:
        if not isinstance(value, list) or len(value) != len(shapes):
            return _is(value)
        pairs = enumerate(zip(value, shapes, strict=True))
        return next((_within(n, wrong) for n, pair in pairs if (wrong := misfit(*pair))), "")

    return judge


def mapping(shape: Shape) -> Judge:
    """Make the shape of an object whose values, whatever their keys, are all of one shape."""

    def judge(value: Any) -> str:
        if not isinstance(value, dict):
            return _is(value)
        return next((_within(key, wrong) for key, one in value.items() if (wrong := misfit(one, shape))), "")

    return judge


def NUMBER(value: Any) -> str:
    """Any number."""
    return "" if misfit(value, float) == "" or misfit(value, int) == "" else _is(value)


def _is(value: Any) -> str:
    return f" is {value!r:.40}"


def _within(key: object, wrong: str) -> str:
    return f"{key}{wrong}" if wrong.startswith(" is") else f"{key}.{wrong}"


Admitted = Mapping[tuple[str, str], Callable[..., Any]]


def unpickle(
    content: bytes,
    where: str,
    admitted: Admitted,
    *,
    encoding: str = "ASCII",
    finish: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """Read a published pickle, with stand-ins in `admitted` by the module and the name that it asks for.

    An error of `finish`, which is given the value, means a damaged file too. `encoding` is that of the strings of Python 2.

    Raises
    ------
    FileError
        If the content is no whole pickle, or asks for anything else (which is named).
    """
    try:
        _check_sizes(content)
        return finish(_Unpickler(content, admitted, encoding).load())
    except ForbiddenError as error:
        raise FileError(
            f"{where} asks for {error}, which published data do not need and which could run code; it was not opened"
        ) from None
    except Exception as error:  # damaged bytes can make the machinery below fail in any way at all
        reason = " ".join(str(error).split())[:80] or "it ends early"
        raise FileError(
            f"{where} is no whole published pickle ({type(error).__name__}: {reason}); "
            "it was truncated or altered, fetch it again"
        ) from None


def _check_sizes(content: bytes) -> None:
    """Refuse what would make the unpickler ask for far more memory than the pickle has bytes (CPython issue 115952)."""
    for n, (code, argument, _) in enumerate(pickletools.genops(content)):
        # Objects are numbered as they come; the table is made as long as the highest number.
        if code.name.endswith("PUT") and argument is not None and int(argument) > 4 * n + 256:
            raise pickle.UnpicklingError(f"object {n} is numbered {argument}")


class ForbiddenError(Exception):
    """Something that is not on the list."""


class Function:
    """A function that a pickle can call but, unlike a bare one, cannot set attributes of."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function has no state")


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, admitted: Admitted, encoding: str) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding)
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            raise ForbiddenError(f"the class {module}.{name}")
        return self._admitted[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise ForbiddenError("an object outside of the file")


def load_pickle(path: str | os.PathLike[str]) -> Any:
    """Read a published pickle; graph objects become plain dicts and tensors become arrays.

    Only the classes that the published files need are admitted, each as a stand-in written here. Tensor data goes
    through PyTorch's weights-only loader, which cannot run code either.

    Parameters
    ----------
    path : path-like
        The .pkl file.

    Returns
    -------
    object
        Built from dicts, lists, tuples, numbers, strings and arrays.

    Raises
    ------
    FileError
        If the file is missing, is no whole pickle, or asks for any other class (which is named).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    with warnings.catch_warnings():  # PyTorch's old storage class, which these files hold, warns when it is touched
        warnings.simplefilter("ignore", UserWarning)
        return unpickle(content, str(path), _ADMITTED_UNPICKLE, finish=_plain)


class _Bag:
    """A plain holder of attributes, in place of a class that is not installed and must not be trusted."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"an object's state is a {type(state).__name__}, not a dict")
        self.__dict__.update(state)


class _Graph(_Bag):
    """Stands in for a trial; its arrays are in the mapping of its store."""


class _Store(_Bag):
    """Stands in for the store of a trial."""


def _storage(content: bytes) -> NDArray[Any]:
    import torch

    try:
        storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named:
            raise ForbiddenError(f"the class {named[1]}") from None
        raise
    empty = torch.empty(0, dtype=storage.dtype)
    array: NDArray[Any] = empty.set_(storage.untyped()).numpy()
    return array


def _tensor(storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Any:
    # Published tensors are dense; anything else could reach outside of the storage.
    if not isinstance(storage, np.ndarray) or not all(type(n) is int and n >= 0 for n in (offset, *shape)):
        raise pickle.UnpicklingError("a tensor has no proper storage and shape")
    size = int(np.prod(shape, dtype=object)) if shape else 1
    dense = tuple(int(np.prod(shape[i + 1 :], dtype=object)) for i in range(len(shape)))
    odd = len(shape) != len(strides) or any(n > 1 and a != b for n, a, b in zip(shape, strides, dense, strict=True))
    if odd or offset + size > storage.size:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} does not fit its storage")
    return storage[offset : offset + size].reshape(shape)


_ADMITTED_UNPICKLE: Admitted = {
    ("torch_geometric.data.data", "Data"): _Graph,
    ("torch_geometric.data.storage", "GlobalStorage"): _Store,
    ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
    ("torch.storage", "_load_from_bytes"): Function(_storage),
    ("collections", "OrderedDict"): OrderedDict,
}


def _plain(value: Any) -> Any:
    if isinstance(value, _Graph):
        # The parent link of a store points back at its graph; only the mapping is wanted.
        return _plain(vars(vars(value)["_store"])["_mapping"])
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in dict.items(value)}
    if isinstance(value, list | tuple):
        return type(value)(_plain(v) for v in value)
    if value is None or isinstance(value, bool | int | float | str | np.ndarray):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")


def load_arrays(content: bytes, where: str) -> dict[str, Any]:
    """Read a pickled dict; keys become text, arrays become NumPy arrays, anything else stays as it is.

    Parameters
    ----------
    content : bytes
        The pickle, by Python 2 or 3.
    where : str
        Its file, for the error's text.

    Returns
    -------
    dict
        Values may be of any plain type: the caller checks those it needs.

    Raises
    ------
    FileError
        If it is no whole pickle, no dict, or asks for any class but those of arrays of numbers.
    """
    values: dict[str, Any] = unpickle(content, where, _ADMITTED, encoding="bytes", finish=_dict)
    return values


class DtypeStandIn:
    """A dtype of a pickled array. Plain numbers only: an array of objects could hold anything."""

    __slots__ = ("code", "order")
    known = r"[iu][1248]|f[248]|b1"

    def __init__(self, code: Any) -> None:
        self.code, self.order = _text(code), "|"
        if not re.fullmatch(self.known, self.code):
            raise pickle.UnpicklingError(f"an array holds {self.code!r}, which are no plain numbers")

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])
        if self.order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"an array's bytes are in order {self.order!r}")


class ArrayStandIn:
    """A pickled array; a view of its bytes."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.empty(0, dtype=np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
            raise pickle.UnpicklingError(f"an array has shape {shape!r}")
        if not (isinstance(kind, DtypeStandIn) and isinstance(raw, bytes)):
            raise pickle.UnpicklingError("an array has no type or no bytes")
        dtype = np.dtype(kind.order + kind.code)
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise pickle.UnpicklingError(f"an array of shape {shape} has {len(raw)} bytes")
        self.values = np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if by_columns else "C")


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _encode(text: Any, encoding: Any) -> bytes:
    """Bytes, as Python 3 writes them for Python 2."""
    if _text(encoding) != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError("bytes are written in an odd way")
    return text.encode("latin1")


def admit_arrays(kind: type[DtypeStandIn], array: type[ArrayStandIn]) -> Admitted:
    """Return the classes of a pickled array, with what stands in for them."""
    return {
        ("numpy", "ndarray"): Function(array),
        ("numpy", "dtype"): Function(lambda code, *_: kind(code)),
        ("numpy.core.multiarray", "_reconstruct"): Function(lambda *_: array()),
        ("numpy._core.multiarray", "_reconstruct"): Function(lambda *_: array()),  # written by NumPy 2
        ("_codecs", "encode"): Function(_encode),
    }


_ADMITTED = admit_arrays(DtypeStandIn, ArrayStandIn)


def _dict(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, no dict")
    return {_text(k): v.values if isinstance(v, ArrayStandIn) else v for k, v in value.items()}


def read_archive(path: Path, wanted: Callable[[str], bool], *, largest: int, total: int) -> Iterator[tuple[str, bytes]]:
    """Read some members of an archive.

    Parameters
    ----------
    path : Path
        The archive; its ending says which kind it is.
    wanted : callable
        Says of a member's name (as `member_name` gives it) whether to read it.
    largest : int
        Bytes of the largest member that is expected.
    total : int
        Bytes of all of them together, at most; of a tar, which cannot be read in parts, those of the whole of it.

    Yields
    ------
    name : str
        A zip's members come in the order of their names, those of a tar in its own.
    content : bytes

    Raises
    ------
    FileError
        If the archive is damaged, or is refused as described above.
    """
    read = _read_zip if path.suffix == ".zip" else _read_tar
    try:
        yield from read(path, wanted, largest, total)
    except FileError:
        raise
    except Exception as error:  # damaged bytes can make the machinery below fail in any way at all
        if isinstance(error, OSError) and error.errno is not None:
            raise FileError(f"cannot read {path}: {error.strerror}; check the path") from error
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise FileError(f"{path} is no whole archive ({reason}); it was truncated or altered, get it again") from error


def member_name(name: str) -> str:
    """Return a member's name in plain form, ``folder/file``; "" for the archive's own top.

    Raises
    ------
    FileError
        If the name leads, or could lead, out of the folder it is meant for; the text ends so that "of ARCHIVE" can follow.

    Examples
    --------
    >>> member_name("./a//b/")
    'a/b'
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    odd = "\\" in name or re.match("[A-Za-z]:", name) or not name.isprintable()
    if name.startswith("/") or ".." in parts or odd:
        raise FileError(f"a member is named {name!r}, which may lead out of its folder")
    return "/".join(parts)


class _Members:
    """Members of an archive seen so far; `admit` refuses what must not be in it."""

    def __init__(self, path: Path, largest: int) -> None:
        self.path, self.largest, self.seen = path, largest, set[str]()

    def admit(self, name: str, size: int, kind: str) -> str:
        """Return the plain name of a member, or raise what is wrong with it."""
        try:
            plain = member_name(name)
        except FileError as error:
            raise self.refuse(str(error)) from None
        if kind not in ("file", "folder"):
            raise self.refuse(f"member {plain!r} is a {kind}, neither a file nor a folder")
        if kind == "file":
            if not plain or plain in self.seen:
                raise self.refuse(f"member {plain!r} comes twice" if plain else "a member has no name")
            if not 0 <= size <= self.largest:
                raise self.refuse(f"member {plain!r} has {size} bytes; {self.largest} are expected at most")
            self.seen.add(plain)
        return plain

    def refuse(self, reason: str) -> FileError:
        """Return the error."""
        return FileError(f"{self.path} was refused: {reason}; get the published archive")


class _Counted:
    """A decompressed stream that ends with an error where it grows beyond what is expected."""

    def __init__(self, stream: gzip.GzipFile, members: _Members, total: int) -> None:
        self._stream, self._members, self._total, self._left = stream, members, total, total

    def read(self, size: int) -> bytes:
        """Read on."""
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise self._members.refuse(f"it holds more than {self._total} bytes")
        return block


def _read_tar(path: Path, wanted: Callable[[str], bool], largest: int, total: int) -> Iterator[tuple[str, bytes]]:
    members = _Members(path, largest)
    with gzip.open(path) as stream:
        # One pass without seeking ("r|"), so that everything that is decompressed is counted.
        counted = _Counted(stream, members, total)
        with tarfile.open(fileobj=counted, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                name = members.admit(member.name, member.size, _tar_kind(member))
                if member.isreg() and wanted(name):
                    content = archive.extractfile(member).read()
                    if len(content) != member.size:
                        raise EOFError(f"{name} ends early")
                    yield name, content
        while counted.read(1 << 20):  # to its end, where the checksum is
            pass


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "link"
    if member.issparse():
        return "sparse file"
    return "file" if member.isreg() else "folder" if member.isdir() else "device"


def _read_zip(path: Path, wanted: Callable[[str], bool], largest: int, total: int) -> Iterator[tuple[str, bytes]]:
    members = _Members(path, largest)
    with zipfile.ZipFile(path) as archive:
        found = {}
        for info in archive.infolist():
            name = members.admit(info.orig_filename, info.file_size, _zip_kind(info))
            if not info.is_dir() and wanted(name):
                found[name] = info
        if sum(info.file_size for info in found.values()) > total:
            raise members.refuse(f"it holds more than {total} bytes")
        for name in sorted(found, key=lambda name: name.split("/")):  # as in a folder
            with archive.open(found[name]) as stream:
                # Asked for by its size, no more than that is decompressed, whatever the member really holds.
                content = stream.read(found[name].file_size)
            if len(content) != found[name].file_size:
                raise EOFError(f"{name} ends early")
            yield name, content


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "locked (encrypted) file"
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    return "folder" if info.is_dir() else "file"
