"""How a valid file is made a hostile or a broken one: its bytes change, or what it holds, with lengths and checksums made right."""

from __future__ import annotations

import gzip
import io
import pickletools
import random
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence

from .changes import NAMES, of_bytes, of_json, of_lines, of_text

__all__ = ["CHANGES", "change"]

Change = Callable[[bytes, random.Random], bytes]


def change(content: bytes, kind: str, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a file in a way that `rng` decides; now and then it becomes half of another file too."""
    if others and rng.random() < 0.05:
        other = rng.choice(others)
        return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]
    aware = CHANGES.get(kind)
    if aware is not None and rng.random() < 0.65:
        try:
            return aware(content, rng)
        except (ValueError, KeyError, OSError, IndexError, struct.error, zipfile.BadZipFile, tarfile.TarError):
            pass  # the change made something that its own writer refuses
    return of_bytes(content, rng)


def of_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change the header and make its length right: offsets, shapes and types then lie."""
    length = int.from_bytes(content[:8], "little")
    header = of_json(content[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


# Archives.


def of_zip(content: bytes, rng: random.Random) -> bytes:
    """Change what is in a member, or a member's name and kind; checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info), info.external_attr) for info in archive.infolist()]
    at = rng.randrange(len(members))
    name, held, mode = members[at]
    how = rng.randrange(10)
    if how < 6:
        held = of_bytes(held, rng)
    elif how == 6:
        name = rng.choice((*NAMES, *(n for n, _, _ in members)))
    elif how == 7:
        mode = rng.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)) << 16
    elif how == 8:
        held = held[:128] + bytes(rng.choice((10**6, 10**7)))  # packs a thousandfold
    members[at] = (name, held, mode)
    if how == 9:
        members.pop(at) if rng.random() < 0.5 else members.append(rng.choice(members))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode, zipfile.ZIP_DEFLATED
            archive.writestr(info, held)
    return file.getvalue()


def of_tar(content: bytes, rng: random.Random) -> bytes:
    """Change what a compressed tar holds: bytes of the tar, or a member's name and kind."""
    plain = gzip.decompress(content)
    how = rng.randrange(4)
    if how == 0:
        return gzip.compress(of_bytes(plain, rng), 1)
    file = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(plain)) as old,
        tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as new,
    ):
        members = old.getmembers()
        at = rng.randrange(len(members))
        for n, member in enumerate(members):
            held = old.extractfile(member).read() if member.isreg() else b""
            if n == at and how == 1:
                member.name = rng.choice((*NAMES, *(m.name for m in members)))
            elif n == at and how == 2:
                member.type = rng.choice(
                    (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE)
                )
                member.linkname = rng.choice((*NAMES, *(m.name for m in members)))
            elif n == at:
                held = rng.choice((of_bytes(held, rng), bytes(3 * 10**7)))
                member.size = len(held)
            new.addfile(member, io.BytesIO(held))
    return file.getvalue()


# Pickles.

ATTACKS = (b"cos\nsystem\n(S'touch canary'\ntR", b"cbuiltins\nexec\n(S'open(\"canary\",\"w\")'\ntR", b"cposix\nsystem\n(S'touch canary'\ntR",
           b"cbuiltins\neval\n(S'1'\ntR", b"csubprocess\nPopen\n(S'true'\ntR", b"cbuiltins\ngetattr\n", b"cnumpy\nload\n(S'x'\ntR",
           b"ctorch\nload\n", b"(lp99999999\n", b"r\xff\xff\xff\x7f", b"ibuiltins\nprint\n", b"cnumpy\nndarray\n(I99999999999\ntR",
           b"\x8b\xff\xff\xff\xff", b"N" * 10000, b"(" * 10000, b"P1\n", b"}" + b"\x94" * 50, b"]q\0h\0a")  # fmt: skip


def of_pickle(content: bytes, rng: random.Random) -> bytes:
    """Put operations between those that are there, or exchange the classes that are asked for."""
    places = [at for _, _, at in pickletools.genops(content)]
    if rng.random() < 0.3:
        found = list(re.finditer(rb"c([\w.]+)\n(\w+)\n", content))
        if found:
            asked = rng.choice(found)
            other = rng.choice(
                (b"cos\nsystem\n", b"cbuiltins\neval\n", b"ccollections\nOrderedDict\n", rng.choice(found)[0])
            )
            return content[: asked.start()] + other + content[asked.end() :]
    at = rng.choice(places)
    return content[:at] + rng.choice(ATTACKS) + (content[at:] if rng.random() < 0.8 else b".")


# HDF5.


def of_hdf5(content: bytes, rng: random.Random) -> bytes:
    """Exchange, remove or link what is in an HDF5 file, or claim more of it than there is."""
    import h5py
    import numpy as np

    memory = io.BytesIO(content)
    with h5py.File(memory, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        thing = file[name]
        how = rng.randrange(10)
        text = h5py.string_dtype()
        values = (np.array(np.nan), np.array([]), np.arange(3), np.ones((2, 2, 2)), np.array("x", dtype=text), np.array(["x"] * 5, dtype=text),
                  np.array([-1, 2**62]), np.array([np.inf, -np.inf, 0]), np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
                  np.array(True), np.array(1 + 2j), np.array([thing.ref], dtype=h5py.ref_dtype), h5py.Empty("f"))  # fmt: skip
        if how <= 2 and thing.attrs:
            key = rng.choice(list(thing.attrs))
            if rng.random() < 0.3:
                del thing.attrs[key]
            else:
                thing.attrs[key] = rng.choice(values)
        elif how == 3 and isinstance(thing, h5py.Dataset) and thing.shape and thing.dtype.kind in "iuf":
            held = thing[()].ravel()
            held[rng.randrange(max(len(held), 1)) :] = (
                rng.choice((0, 255, 7)) if thing.dtype.kind != "f" else rng.choice((np.nan, np.inf, 1e300, -1.0))
            )
            thing[()] = held.reshape(thing.shape)
        elif how == 4:
            shape = rng.choice(((10**12,), (10**6, 10**6), (2**40, 1), (10**8, 3)))
            dtype = rng.choice(("f8", "i8", "u1"))
            del file[name]
            file.create_dataset(
                name, shape=shape, dtype=dtype, chunks=tuple(min(n, 1000) for n in shape), compression="gzip"
            )
        elif how == 5:
            del file[name]
            file[name] = rng.choice((h5py.ExternalLink("/etc/passwd", "/x"), h5py.SoftLink("/"), h5py.SoftLink("/" + name),
                                     h5py.SoftLink("/nowhere"), h5py.ExternalLink("case.h5", "/")))  # fmt: skip
        elif how == 6:
            other = rng.choice(names)
            held = file[other]
            del file[name]
            file[name] = held
        elif how == 7:
            del file[name]
        else:
            del file[name]
            file[name] = rng.choice(values)
    return memory.getvalue()


CHANGES: dict[str, Change] = {
    "text": of_text, "json": of_json, "lines": of_lines, "safetensors": of_safetensors, "zip": of_zip, "tar": of_tar,
    "pickle": of_pickle, "hdf5": of_hdf5,
}  # fmt: skip
"""Changes that know a container, by its name; anything else is bytes."""
