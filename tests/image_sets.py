"""Tiny sets of images in the published layouts, byte by byte as their authors wrote them."""

import io
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image


def python2_pickle(value):
    """Pickle as Python 2 did with protocol 2: strings are bytes, arrays come from `numpy.core`."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value):
    if value is None:
        return b"N"
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_python2, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(k) + _python2(v) for k, v in value.items()) + b"u"
    made = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + _python2((0,)) + _python2(b"b") + b"\x87R"
    code = value.dtype.str[1:].encode()
    dtype = b"cnumpy\ndtype\n" + _python2(code) + b"K\x00K\x01\x87R"
    dtype += _python2((3, value.dtype.str[:1].encode(), None, None, None, -1, -1, 0)) + b"b"
    by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
    state = [_python2(1), _python2(value.shape), dtype, _python2(by_columns)]
    return made + b"(" + b"".join(state) + _python2(value.tobytes("F" if by_columns else "C")) + b"tb"


def pixels(n, seed=0, side=32):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def planes(images):
    """As CIFAR stores them: a row an image, all of red, then green, then blue."""
    return np.ascontiguousarray(
        images.transpose(0, 3, 1, 2).reshape(len(images), images[0].size if len(images) else 3072)
    )


TEN = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]


def cifar10(n=2, n_test=3, **changes):
    """Files of CIFAR-10: contents as dicts, with some exchanged, or left out by None."""
    files = {
        f"data_batch_{i}": {
            b"batch_label": b"training batch %d of 5" % i,
            b"labels": [(i + k) % 10 for k in range(n)],
            b"data": planes(pixels(n, seed=i)),
            b"filenames": [b"%d.png" % k for k in range(n)],
        }
        for i in range(1, 6)
    }
    files["test_batch"] = {
        b"batch_label": b"testing batch 1 of 1",
        b"labels": [9] * n_test,
        b"data": planes(pixels(n_test, seed=9)),
        b"filenames": [b"t%d.png" % k for k in range(n_test)],
    }
    files["batches.meta"] = {b"num_cases_per_batch": n, b"label_names": TEN, b"num_vis": 3072}
    return {k: v for k, v in (files | changes).items() if v is not None}


def cifar100(n=6, n_test=3, **changes):
    """Files of CIFAR-100."""
    files = {
        name: {
            b"filenames": [b"a.png"] * count,
            b"batch_label": b"",
            b"fine_labels": [97 + k % 3 for k in range(count)],
            b"coarse_labels": [19 - k % 2 for k in range(count)],
            b"data": planes(pixels(count, seed=count)),
        }
        for name, count in (("train", n), ("test", n_test))
    }
    files["meta"] = {
        b"fine_label_names": [b"fine%d" % k for k in range(100)],
        b"coarse_label_names": [b"coarse%d" % k for k in range(20)],
    }
    return {k: v for k, v in (files | changes).items() if v is not None}


def written(files):
    """Contents of files: dicts become Python 2's pickles."""
    return {k: v if isinstance(v, bytes) else python2_pickle(v) for k, v in files.items()}


def jpeg(array, kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def tiny_imagenet(n=2, **changes):
    """Files of Tiny ImageNet: n training images of three of its classes, a test image of two of them; one of each is grey."""
    identifiers = [f"n{k:08d}" for k in range(200)]
    files = {
        "wnids.txt": "\n".join(reversed(identifiers)).encode() + b"\n",
        "words.txt": "\n".join(f"{i}\tthing {i[-3:]}, of some kind" for i in ["n99999999", *identifiers]).encode(),
        "val/val_annotations.txt": b"val_0.JPEG\tn00000007\t0\t32\t44\t62\nval_1.JPEG\tn00000000\t0\t0\t63\t63\n",
        "val/images/val_0.JPEG": jpeg(np.full((64, 64, 3), (250, 0, 0), dtype=np.uint8)),
        "val/images/val_1.JPEG": jpeg(np.full((64, 64), 100, dtype=np.uint8)),
        "test/images/test_0.JPEG": b"not to be read",
    }
    for k in (7, 0, 199):
        name = identifiers[k]
        files[f"train/{name}/{name}_boxes.txt"] = b"boxes"
        for i in range(n):
            array = np.full((64, 64), k, dtype=np.uint8) if i == 0 else np.full((64, 64, 3), k, dtype=np.uint8)
            files[f"train/{name}/images/{name}_{i}.JPEG"] = jpeg(array)
    return {k: v for k, v in (files | changes).items() if v is not None}


def write_folder(folder, files):
    for name, content in written(files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_tar(path, top, files):
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo(top)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in written(files).items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, top, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(top)
        for name, content in written(files).items():
            archive.writestr(f"{top}/{name}", content)
    return path
