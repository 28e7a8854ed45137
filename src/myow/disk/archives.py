"""Members of archives (.zip, .tar.gz), read without unpacking anything to the disk.

An archive is refused as a whole if any member has a name that leads out of a folder (absolute, with ``..``, a drive or a
backslash), is a link or a device, comes twice or is larger than the caller expects. What has to be decompressed is counted, so
that a compression bomb ends early.
"""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileError

__all__ = ["member_name", "read_archive"]


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
    """What was seen of an archive; `admit` refuses what must not be in it."""

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
