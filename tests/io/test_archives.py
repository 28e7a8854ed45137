"""Archives: read without unpacking; what could harm, or is damaged, is refused as a whole."""

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myow.errors import FileError
from myow.io.untrusted import member_name, read_archive

FILES = {"top/b.bin": b"beta" * 300, "top/a/c.bin": b"gamma", "other.txt": b""}


def tar_member(name, content=b"", kind=tarfile.REGTYPE, **fields):
    member = tarfile.TarInfo(name)
    member.size, member.type = len(content), kind
    for key, value in fields.items():
        setattr(member, key, value)
    return member, content


def write_tar(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, members):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore", UserWarning)  # names that come twice, on purpose
        for member, content in members:
            archive.writestr(member, content)
    return path


def zip_member(name, mode):
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return member


def write(kind, path, files):
    if kind == "zip":
        return write_zip(path / "a.zip", list(files.items()))
    return write_tar(path / "a.tar.gz", *(tar_member(k, v) for k, v in files.items()))


def read(path, wanted=lambda name: True, largest=10_000, total=20_000):
    return dict(read_archive(path, wanted, largest=largest, total=total))


KINDS = pytest.mark.parametrize("kind", ["tar", "zip"])


@KINDS
def test_wanted_members_are_read(kind, tmp_path):
    path = write(kind, tmp_path, FILES)
    assert read(path) == FILES
    assert read(path, lambda name: name.startswith("top/a")) == {"top/a/c.bin": b"gamma"}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_zip_is_read_in_the_order_of_names_and_a_tar_in_its_own(tmp_path):
    assert list(read(write("zip", tmp_path, FILES))) == ["other.txt", "top/a/c.bin", "top/b.bin"]
    assert list(read(write("tar", tmp_path, FILES))) == list(FILES)


@KINDS
def test_folders_and_plain_detours_are_no_harm(kind, tmp_path):
    if kind == "tar":
        folder, _ = tar_member("./top", kind=tarfile.DIRTYPE)
        path = write_tar(tmp_path / "a.tar.gz", (folder, b""), tar_member("./top//b.bin", b"x"))
    else:
        path = write_zip(tmp_path / "a.zip", [("./top/", b""), ("./top//b.bin", b"x")])
    assert read(path) == {"top/b.bin": b"x"}


# What is refused.


@KINDS
@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "top/../../x", "..", "C:/x", "c:x", "top\\x", "top/a\nb"])
def test_a_name_that_leads_out_of_the_folder(kind, name, tmp_path):
    path = write(kind, tmp_path, {"top/a": b"1", name: b"2"})
    with pytest.raises(FileError, match="may lead out of its folder") as caught:
        read(path, lambda name: name == "top/a")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("ab./\\:C\0\n é-"), max_size=12))
def test_a_name_is_refused_or_stays_inside(name):
    try:
        plain = member_name(name)
    except FileError:
        assert name.startswith("/") or ".." in name or set(name) & set("\\:\0\n")
        return
    parts = PurePosixPath("/top", plain).parts
    assert parts[:2] == ("/", "top")
    assert not {"..", "."} & set(parts)
    assert member_name(plain) == plain


@given(st.lists(st.sampled_from(["a", "b.png", "c d", "é", "...", "-"]), min_size=1, max_size=5))
def test_a_harmless_name_stays_as_it_is(parts):
    assert member_name("/".join(parts)) == "/".join(parts)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
    ],
)
def test_a_tar_with_anything_but_files_and_folders(kind, said, tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", tar_member("top/a", b"1"), tar_member("top/b", kind=kind, linkname="top/a"))
    with pytest.raises(FileError, match=f"'top/b' is a {said}"):
        read(path)


@pytest.mark.parametrize(("mode", "said"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")])
def test_a_zip_with_anything_but_files_and_folders(mode, said, tmp_path):
    path = write_zip(tmp_path / "a.zip", [("top/a", b"1"), (zip_member("top/b", mode | 0o644), b"/etc/passwd")])
    with pytest.raises(FileError, match=f"'top/b' is a {said}"):
        read(path)


def test_a_locked_zip(tmp_path):
    path = write("zip", tmp_path, {"top/a": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match="locked"):
        read(path)


@KINDS
def test_a_member_that_comes_twice(kind, tmp_path):
    if kind == "tar":
        path = write_tar(tmp_path / "a.tar.gz", tar_member("top/a", b"1"), tar_member("./top/a", b"2"))
    else:
        path = write_zip(tmp_path / "a.zip", [("top/a", b"1"), ("top/a", b"2")])
    with pytest.raises(FileError, match="'top/a' comes twice"):
        read(path)


@KINDS
def test_a_member_larger_than_expected(kind, tmp_path):
    path = write(kind, tmp_path, {"top/a": b"1" * 101})
    assert len(read(path, largest=101)["top/a"]) == 101
    with pytest.raises(FileError, match="'top/a' has 101 bytes; 100 are expected at most"):
        read(path, largest=100)


def test_more_in_all_than_expected(tmp_path):
    files = {f"top/{i}": bytes(1 << 20) for i in range(5)}
    for kind in ("tar", "zip"):
        path = write(kind, tmp_path, files)
        assert path.stat().st_size < 20_000  # a thousandth of what it grows to
        with pytest.raises(FileError, match="more than 2000000 bytes"):
            read(path, largest=1 << 20, total=2_000_000)


def peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_in_the_headers_of_a_tar(tmp_path):
    path = tmp_path / "a.tar.gz"
    header, _ = tar_member("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME)
    header.size = 64 << 20  # a name of so many bytes
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))

    def refused():
        with pytest.raises(FileError, match="holds more than 20000 bytes"):
            read(path)

    assert peak(refused) < 16 << 20


def test_a_bomb_that_says_it_is_small(tmp_path):
    path = write("zip", tmp_path, {"top/a": bytes(64 << 20)})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = content.index(mark) + place
        content[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(content)

    def refused():
        with pytest.raises(FileError, match="no whole archive"):
            read(path)

    assert peak(refused) < 16 << 20


# What is damaged.


@KINDS
def test_a_truncated_archive(kind, tmp_path):
    path = write(kind, tmp_path, FILES)
    whole = path.read_bytes()
    for size in (0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match="no whole archive") as caught:
            read(path)
        assert str(path) in str(caught.value)
    path.write_bytes(b"this is text, no archive at all")
    with pytest.raises(FileError, match="no whole archive"):
        read(path)


@KINDS
def test_a_byte_that_changed(kind, tmp_path):
    path = write(kind, tmp_path, {"top/a": bytes(range(256)) * 4})
    content = bytearray(path.read_bytes())
    content[150] ^= 1  # in the compressed bytes
    path.write_bytes(content)
    with pytest.raises(FileError, match="no whole archive"):
        read(path)


@KINDS
@settings(deadline=None)
@given(data=st.data())
def test_any_damage_is_a_file_error_or_none(kind, data, tmp_path_factory):
    path = write(kind, tmp_path_factory.mktemp("damaged"), FILES)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        found, said = read(path), ""
    except FileError as error:
        found, said = {}, str(error)
    assert sum(map(len, found.values())) <= 20_000
    assert found or str(path) in said


@KINDS
def test_a_missing_archive(kind, tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*No such file"):
        read(tmp_path / ("a.zip" if kind == "zip" else "a.tar.gz"))
