"""Images by name: from a folder, an archive or a server; subsets; and what is said of what is wrong."""

import hashlib
import http.server
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
from image_sets import (
    TEN,
    cifar10,
    cifar100,
    jpeg,
    pixels,
    planes,
    python2_pickle,
    tiny_imagenet,
    write_folder,
    write_tar,
    write_zip,
)

import myow
from myow import datasets
from myow.datasets import cifar, load_images
from myow.datasets import tiny_imagenet as tiny
from myow.datasets.card import locate_folder
from myow.errors import DataError, FileError, SettingError, UnknownNameError

FOLDERS = {
    "cifar-10": "cifar-10-batches-py",
    "cifar-100": "cifar-100-python",
    "cifar-20": "cifar-100-python",
    "tiny-imagenet": "tiny-imagenet-200",
}
FILES = {"cifar-10": cifar10, "cifar-100": cifar100, "cifar-20": cifar100, "tiny-imagenet": tiny_imagenet}
NAMES = pytest.mark.parametrize("name", list(FOLDERS))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty folder for data, another for the cache, and no network."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MYOW_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


def unpacked(data, name, **changes):
    return write_folder(data / FOLDERS[name], FILES[name](**changes))


def packed(folder, name, monkeypatch, files=None):
    """Write an archive and register its checksum as the published one; all its images make the whole set."""
    folder.mkdir(exist_ok=True)
    write = write_zip if name == "tiny-imagenet" else write_tar
    module = tiny if name == "tiny-imagenet" else cifar
    card = {card.name: card for card in module.CARDS}[name]
    path = write(folder / card.archive.name, card.folder, FILES[name]() if files is None else files)
    archive = replace(card.archive, md5=hashlib.md5(path.read_bytes()).hexdigest())
    train, test = {"cifar-10": (10, 3), "tiny-imagenet": (6, 2)}.get(name, (6, 3))
    register(monkeypatch, module, replace(card, archive=archive, train=train, test=test))
    return path


def register(monkeypatch, module, card):
    monkeypatch.setattr(module, "CARDS", tuple(card if c.name == card.name else c for c in module.CARDS))


# What is read.


def test_cifar10_is_read_in_the_published_order(data):
    unpacked(data, "cifar-10")
    images = myow.load("cifar-10")
    expected = np.concatenate([pixels(2, seed=i) for i in range(1, 6)] + [pixels(3, seed=9)])
    np.testing.assert_array_equal(images.pixels, expected)
    assert images.labels["class"].tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 9, 9, 9]
    assert images.test.tolist() == [False] * 10 + [True] * 3
    assert images.class_names == {"class": tuple(name.decode() for name in TEN)}
    assert images.name == "cifar-10"
    assert images.subset == "subset: 10 of 50000 training and 3 of 10000 test images"
    assert images.source["folder"] == "cifar-10-batches-py"
    assert not images.pixels.flags.writeable


def test_cifar100_has_two_labels_of_which_cifar20_has_the_coarse_one(data):
    unpacked(data, "cifar-100")
    fine, coarse = myow.load("cifar-100"), myow.load("cifar-20")
    np.testing.assert_array_equal(fine.pixels, np.concatenate([pixels(6, seed=6), pixels(3, seed=3)]))
    np.testing.assert_array_equal(coarse.pixels, fine.pixels)
    assert list(fine.labels) == ["class", "coarse"]
    assert fine.labels["class"].tolist() == [97, 98, 99, 97, 98, 99, 97, 98, 99]
    assert fine.labels["coarse"].tolist() == coarse.labels["class"].tolist() == [19, 18, 19, 18, 19, 18, 19, 18, 19]
    assert list(coarse.labels) == ["class"]
    assert (fine.class_names["class"][99], fine.class_names["coarse"][19]) == ("fine99", "coarse19")
    assert coarse.class_names == {"class": tuple(f"coarse{k}" for k in range(20))}


def test_tiny_imagenet_is_read_by_the_order_of_names_and_grey_becomes_colour(data):
    unpacked(data, "tiny-imagenet")
    images = myow.load("tiny-imagenet")
    assert images.pixels.shape == (8, 64, 64, 3)
    assert images.pixels[:, 9, 9, 0].tolist() == [0, 0, 7, 7, 199, 199, 250, 100]
    assert images.pixels[6, 9, 9].tolist() == pytest.approx([250, 0, 0], abs=3)
    assert images.labels["class"].tolist() == [0, 0, 7, 7, 199, 199, 7, 0]
    assert images.test.tolist() == [False] * 6 + [True] * 2
    assert images.class_names["class"][:2] == ("thing 000", "thing 001")
    assert images.subset == "subset: 6 of 100000 training and 2 of 10000 test images"


def test_words_that_fail_or_that_classes_share_give_way_to_identifiers(data):
    unpacked(data, "tiny-imagenet", **{"words.txt": b"n00000001\tcrane, a bird\nn00000002\tcrane, a machine\nodd line"})
    names = myow.load("tiny-imagenet").class_names["class"]
    assert names[:4] == ("n00000000", "crane (n00000001)", "crane (n00000002)", "n00000003")


@NAMES
def test_folder_and_archive_are_the_same_images(data, name, monkeypatch):
    packed(data, name, monkeypatch)
    archived = myow.load(name)
    assert "md5" in archived.source
    assert archived.subset == ""
    unpacked(data, name)
    folder = myow.load(name)
    assert "md5" not in folder.source  # the folder goes first
    assert folder.digest() == archived.digest()


@NAMES
def test_what_is_at_hand_is_found_wherever_it_is(data, name, monkeypatch):
    deep = data / "deep" / "er"
    deep.mkdir(parents=True)
    card = {card.name: card for card in datasets.cards("images")}[name]
    assert not card.available
    unpacked(deep, name)
    assert card.available
    found = myow.load(name).digest()
    monkeypatch.setenv("MYOW_DATA", str(deep / FOLDERS[name]))  # the folder itself
    assert locate_folder(FOLDERS[name]) == deep / FOLDERS[name]
    assert myow.load(name).digest() == found


@NAMES
def test_an_archive_in_the_cache_is_enough(data, name, monkeypatch):
    packed(data.parent / "cache", name, monkeypatch)
    monkeypatch.delenv("MYOW_DATA")
    assert datasets.cards("images")
    assert len(myow.load(name)) in (8, 9, 13)


def test_an_archive_is_downloaded_once(data, monkeypatch):
    path = packed(data.parent / "served", "cifar-10", monkeypatch)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(path.parent))
    ) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        card = next(card for card in cifar.CARDS if card.name == "cifar-10")
        url = f"http://127.0.0.1:{server.server_port}/{path.name}"
        register(monkeypatch, cifar, replace(card, archive=replace(card.archive, url=url)))
        monkeypatch.delenv("MYOW_OFFLINE")
        first, second = myow.load("cifar-10"), load_images("cifar-10")
        server.shutdown()
    assert asked == [f"/{path.name}"]
    assert first.digest() == second.digest()
    assert first.source["url"] == url
    assert [p.name for p in (data.parent / "cache").iterdir()] == [path.name]


# What is wrong.


@NAMES
def test_what_is_missing_says_where_to_get_it(data, name):
    with pytest.raises(FileError, match="MYOW_OFFLINE forbids") as caught:
        myow.load(name)
    assert "MYOW_DATA" in str(caught.value)
    assert "cs.toronto.edu/~kriz/cifar" in str(caught.value) or "cs231n.stanford.edu" in str(caught.value)


@NAMES
def test_an_archive_that_was_altered_or_truncated_is_refused(data, name, monkeypatch):
    path = packed(data, name, monkeypatch)
    content = path.read_bytes()
    for changed in (content[:-1], content[:100], content[:50] + b"\0" + content[51:], b""):
        path.write_bytes(changed)
        with pytest.raises(FileError, match="altered or truncated"):
            myow.load(name)


@NAMES
def test_an_archive_that_leads_out_of_its_folder_is_refused_even_if_it_is_the_published_one(data, name, monkeypatch):
    packed(data, name, monkeypatch, FILES[name]() | {"../../x": b"1"})
    with pytest.raises(FileError, match=r"'[\w./-]+/../../x', which may lead out of its folder"):
        myow.load(name)
    assert sorted(p.name for p in data.parent.iterdir()) == ["data"]


@NAMES
def test_an_empty_folder_is_not_passed_over(data, name, monkeypatch):
    packed(data, name, monkeypatch)
    (data / FOLDERS[name]).mkdir()
    with pytest.raises(FileError, match=r"lacks .*; unpack the whole of"):
        myow.load(name)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        *(("cifar-10", file) for file in cifar10()),
        *(("cifar-100", file) for file in cifar100()),
        *(("tiny-imagenet", file) for file in ("wnids.txt", "words.txt", "val/val_annotations.txt")),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_a_missing_file_is_named(data, name, missing, archived, monkeypatch):
    if archived:
        packed(data, name, monkeypatch, FILES[name](**{missing: None}))
    else:
        unpacked(data, name, **{missing: None})
    with pytest.raises(FileError, match=f"lacks {missing}; unpack the whole of"):
        myow.load(name)


def batch(**changes):
    new = {k.encode(): v for k, v in changes.items()}
    return {k: v for k, v in (cifar10()["data_batch_3"] | new).items() if v is not None}


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (batch(data=pixels(2)), DataError, r"shape \(2, 32, 32, 3\).*shape \(images, 3072\)"),
        (batch(data=planes(pixels(2))[:, :1024]), DataError, r"shape \(2, 1024\)"),  # one channel
        (batch(data=planes(pixels(2)).astype(np.float32)), DataError, "float32; they must be bytes"),
        (batch(data=planes(pixels(0)), labels=[]), DataError, "holds no images"),
        (batch(data=[1, 2]), DataError, "images have list"),
        (batch(data=None), FileError, "has no 'data', only batch_label, filenames, labels"),
        (batch(labels=None), FileError, "has no 'labels'"),
        (batch(labels=[1]), DataError, "labels holds 1 values for 2 images"),
        (batch(labels=1), DataError, "labels holds a int for 2 images"),
        (batch(labels=[1, 10]), DataError, "labels holds 10; it must hold whole numbers from 0 to 9"),
        (batch(labels=[-1, 0]), DataError, "labels holds -1"),
        (batch(labels=[1, 2.5]), DataError, "labels holds 2.5"),
        (batch(labels=[1, True]), DataError, "labels holds True"),
        (b"", FileError, "no whole published pickle"),
        (python2_pickle(batch())[:3000], FileError, "truncated or altered"),
        (b"cos\nsystem\n(S'true'\ntR.", FileError, r"asks for the class os\.system"),
        (python2_pickle([1]), FileError, "holds a list, no dict"),
    ],
)
def test_a_batch_of_cifar10_that_is_none(data, content, error, said):
    unpacked(data, "cifar-10", data_batch_3=content)
    with pytest.raises(error, match=said) as caught:
        myow.load("cifar-10")
    assert "data_batch_3" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "names", [TEN[:9], [*TEN, b"eleventh"], b"airplane", [1] * 10, [*TEN[:9], 3]], ids=lambda v: str(v)[:12]
)
def test_names_of_classes_that_do_not_fit(data, names):
    unpacked(data, "cifar-10", **{"batches.meta": {b"label_names": names}})
    with pytest.raises(DataError, match=r"batches\.meta: label_names must list the names of 10 classes"):
        myow.load("cifar-10")


@pytest.mark.parametrize(("key", "top"), [(b"fine_labels", 100), (b"coarse_labels", 20)])
def test_labels_of_cifar100_have_their_own_ranges(data, key, top):
    train = cifar100()["train"]
    unpacked(data, "cifar-100", train=train | {key: [top - 1] * 6})
    assert top - 1 in np.concatenate(list(myow.load("cifar-100").labels.values()))
    unpacked(data, "cifar-100", train=train | {key: [0, 0, 0, 0, 0, top]})
    with pytest.raises(DataError, match=f"train: {key.decode()} holds {top}; .* 0 to {top - 1}"):
        myow.load("cifar-100")


TRAINED = "train/n00000007/images/n00000007_1.JPEG"


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        (
            {TRAINED: jpeg(pixels(1, side=63)[0])},
            DataError,
            "n00000007_1.JPEG has 63 x 63 pixels; it must have 64 x 64",
        ),
        ({TRAINED: jpeg(pixels(1, side=64)[0])[:900]}, FileError, "n00000007_1.JPEG is no whole image"),
        ({TRAINED: b""}, FileError, "n00000007_1.JPEG is no whole image"),
        ({"train/n77777777/images/x.JPEG": jpeg(pixels(1, side=64)[0])}, DataError, "x.JPEG is not in wnids.txt"),
        ({"val/images/val_2.JPEG": jpeg(pixels(1, side=64)[0])}, DataError, "val_2.JPEG is not in val/val_annotations"),
        ({"val/val_annotations.txt": b"val_0.JPEG\tn55555555\nval_1.JPEG\tn00000000"}, DataError, "not in wnids"),
        ({"val/images/val_0.JPEG": None, "val/images/val_1.JPEG": None}, FileError, "no images in val/images/"),
        ({"wnids.txt": b"n00000000\nn00000007\n"}, DataError, "names 2 classes; there must be 200"),
    ],
)
def test_what_is_no_tiny_imagenet(data, changes, error, said):
    unpacked(data, "tiny-imagenet", **changes)
    with pytest.raises(error, match=said):
        myow.load("tiny-imagenet")


def test_no_images_to_train_on(data):
    files = tiny_imagenet(n=0)
    write_folder(data / FOLDERS["tiny-imagenet"], files)
    with pytest.raises(FileError, match="no images in train/"):
        myow.load("tiny-imagenet")


def test_more_images_than_the_official_set_has(data, monkeypatch):
    unpacked(data, "cifar-10")
    card = next(card for card in cifar.CARDS if card.name == "cifar-10")
    register(monkeypatch, cifar, replace(card, train=9))
    with pytest.raises(DataError, match="more than"):
        myow.load("cifar-10")


def test_a_file_larger_than_expected(data, monkeypatch):
    unpacked(data, "cifar-10")
    monkeypatch.setattr(cifar, "LARGEST", 5000)
    with pytest.raises(FileError, match=r"data_batch_1 has \d+ bytes; 5000 are expected at most"):
        myow.load("cifar-10")


# Names.


def test_cards_of_images_are_asked_for_and_recordings_stay_among_themselves():
    images = {card.name: card for card in datasets.cards("images")}
    assert set(images) == set(FOLDERS)
    assert not set(images) & {card.name for card in datasets.cards()}
    for card in images.values():
        assert card.archive.checksum[0] == "md5"
        assert list(card.describe()) == [
            "name", "data", "kind", "train", "test", "size", "classes", "available", "licence", "citation"
        ]  # fmt: skip
        assert (card.data, card.folder) == ("images", FOLDERS[card.name])
    assert (images["cifar-20"].classes, images["cifar-100"].classes) == (20, 100)
    assert images["tiny-imagenet"].size == (64, 64)
    with pytest.raises(SettingError, match=r"cifar-10 names images; a recording is needed here: .*chewie-1"):
        datasets.card("cifar-10")


def test_unknown_options_and_names(data):
    with pytest.raises(UnknownNameError, match=r"unknown option of cifar-10 'size'\. Choices: none"):
        myow.load("cifar-10", size=64)
    with pytest.raises(UnknownNameError, match="'cifar10'; did you mean 'cifar-10'"):
        myow.load("cifar10")


# The published images.


def at_hand(name):
    if not os.environ.get("MYOW_DATA"):
        pytest.skip("MYOW_DATA is not set, so the published images are not at hand")
    if locate_folder(FOLDERS[name]) is None:
        pytest.skip(f"{FOLDERS[name]} is not in the folder that MYOW_DATA names")
    return myow.load(name)


@pytest.mark.parametrize(
    ("name", "size", "classes", "first", "last"),
    [
        ("cifar-10", 32, 10, "airplane", "truck"),
        ("cifar-100", 32, 100, "apple", "worm"),
        ("cifar-20", 32, 20, "aquatic_mammals", "vehicles_2"),
        ("tiny-imagenet", 64, 200, "goldfish", "acorn"),
    ],
)
def test_the_published_images(name, size, classes, first, last):
    images = at_hand(name)
    assert images.size == (size, size)
    names = images.class_names["class"]
    assert (len(set(names)), names[0], names[-1]) == (classes, first, last)
    assert set(images.labels["class"]) == set(range(classes))
    assert 0 < images.test.sum() < len(images)
    assert (np.diff(images.test.astype(int)) >= 0).all()
    assert images.subset.startswith("subset: ") == (len(images) < sum(images.official))
    # In photographs neighbours are alike, across and down: planes, rows and columns are where they should be.
    grey = images.pixels[:500].astype(float).mean(axis=-1)
    assert np.corrcoef(grey[:, :, 1:].ravel(), grey[:, :, :-1].ravel())[0, 1] > 0.8
    assert np.corrcoef(grey[:, 1:].ravel(), grey[:, :-1].ravel())[0, 1] > 0.8


def test_published_classes_fit_their_images():
    images = at_hand("cifar-10")
    assert images.class_names["class"][images.labels["class"][0]] == "frog"
    ships = images.pixels[images.labels["class"] == 8].astype(float).mean(axis=(0, 1, 2))
    deer = images.pixels[images.labels["class"] == 4].astype(float).mean(axis=(0, 1, 2))
    assert ships[2] > ships[0]  # more blue than red
    assert deer[2] < deer[0]


def test_published_superclasses_hold_five_classes_each():
    images = at_hand("cifar-100")
    pairs = {(int(c), int(f)) for f, c in zip(images.labels["class"], images.labels["coarse"], strict=True)}
    assert len(pairs) == 100
    assert np.bincount([coarse for coarse, _ in pairs]).tolist() == [5] * 20
    np.testing.assert_array_equal(myow.load("cifar-20").labels["class"], images.labels["coarse"])
