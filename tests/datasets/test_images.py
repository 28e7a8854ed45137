"""Images: checked once and frozen; parted fairly; and a folder of one's own."""

import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sets import jpeg, pixels
from PIL import Image

from myow.data.images import Images
from myow.datasets import is_images, load_images, load_recording
from myow.errors import DataError, FileError, SettingError, UnknownNameError
from myow.io.image_folder import read_image_folder


def small(n=6, **changes):
    fields = {
        "labels": {"coarse": np.arange(n) % 2, "class": np.arange(n) % 3},
        "test": np.arange(n) >= n - 2,
        "class_names": {"class": ("cat", "dog", "frog")},
        "name": "small",
        "source": {"file": "a.zip"},
    }
    return Images(pixels(n, side=4), **fields | changes)


# What it holds.


def test_images_are_rows_of_training():
    images = small()
    assert len(images) == 6
    assert images.size == (4, 4)
    assert list(images.labels) == ["class", "coarse"]
    assert images.labels["class"].dtype == np.int64
    assert images.class_names == {"class": ("cat", "dog", "frog"), "coarse": ("0", "1")}
    assert images.test.tolist() == [False] * 4 + [True] * 2
    assert images.times.tolist() == images.groups.tolist() == list(range(6))
    assert (images.times.dtype, images.groups.dtype) == (np.float64, np.int64)
    assert images.bins.tolist() == [0] * 6
    np.testing.assert_array_equal(images.gather(np.array([5, 0])), pixels(6, side=4)[[5, 0]])
    assert "6 of 4 x 4 pixels, 2 for testing, labels: class, coarse" in repr(images)


def test_images_cannot_be_written_to_and_are_copied_only_if_others_could():
    given = pixels(3, side=4)
    images = Images(given)
    given[:] = 0
    assert images.pixels.any()
    for array in (images.pixels, images.test, small().labels["class"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    given.flags.writeable = False
    assert np.shares_memory(Images(given).pixels, given)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 4, 4), dtype=np.uint8), r"shape \(2, 4, 4\)"),
        (np.zeros((2, 4, 4, 1), dtype=np.uint8), r"\(2, 4, 4, 1\)"),
        (np.zeros((2, 4, 4, 4), dtype=np.uint8), r"\(2, 4, 4, 4\)"),
        (np.zeros((0, 4, 4, 3), dtype=np.uint8), "at least one image"),
        (np.zeros((2, 0, 4, 3), dtype=np.uint8), r"\(2, 0, 4, 3\)"),
        (np.zeros((2, 4, 4, 3)), "float64; they must be bytes"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))], "differ in shape"),
    ],
)
def test_pixels_that_are_none(array, said):
    with pytest.raises(DataError, match=said):
        Images(array)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": {"coarse": [0] * 6}, "class_names": {}}, "one of them must be 'class'"),
        ({"labels": {"class": [0] * 5}}, r"'class' has shape \(5,\).*there are 6 images"),
        ({"labels": {"class": [0.5] * 6}}, "float64"),
        ({"labels": {"class": [0, 1, 2, 0, 1, 3]}}, r"'class' is 3 at image 5, but there are 3 classes: 0 to 2"),
        ({"labels": {"class": [0, 1, 2, 0, 1, -1]}}, "holds -1"),
        ({"labels": {"class": [0, 1, 2, 0, 1, 10**12]}, "class_names": {}}, "holds 1000000000000"),
        ({"class_names": {"breed": ("a",)}}, "names 'breed', which is not among"),
        ({"test": [True] * 5}, r"test has shape \(5,\)"),
        ({"test": [0] * 6}, "int64.*True or False"),
        ({"official": (3, 2)}, r"\(4, 2\) training and test images, more than \(3, 2\)"),
    ],
)
def test_fields_that_do_not_fit(changes, said):
    with pytest.raises(DataError, match=said):
        small(**changes)


def test_a_subset_says_so_and_goes_on_saying_so():
    assert small().subset == ""
    assert small(official=(4, 2)).subset == ""
    assert small(official=(4, 2)).select([0, 1]).subset == ""
    images = small(official=(50_000, 10_000))
    assert images.subset == "subset: 4 of 50000 training and 2 of 10000 test images"
    assert images.select([0, 5]).subset == images.subset
    assert images.subset in repr(images)


def test_a_selection_keeps_what_belongs_to_its_images():
    images = small()
    taken = images.select([1, 2, 5])
    np.testing.assert_array_equal(taken.pixels, images.pixels[[1, 2, 5]])
    assert taken.labels["class"].tolist() == [1, 2, 2]
    assert taken.test.tolist() == [False, False, True]
    assert taken.class_names == images.class_names
    assert (taken.name, taken.source) == ("small", {"file": "a.zip"})
    assert images.select(images.test).labels["coarse"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], "no image"), ([2, 1], "rises"), ([1, 1], "rises"), ([6], "indices or a mask"), ([False] * 6, "at least one")],
)
def test_a_selection_that_is_none(rows, said):
    with pytest.raises(DataError, match=said):
        small().select(rows)


def test_the_checksum_follows_pixels_labels_and_parts_and_nothing_else():
    images, other = small(), pixels(6, side=4).copy()
    other[3, 2, 1, 0] ^= 1
    same = small(name="other", source={}, class_names={})
    assert images.digest() == images.digest() == same.digest()
    changed = [
        small(labels={"class": [0] * 6}),
        small(test=[True] * 6),
        Images(other, labels=images.labels, test=images.test),
        images.select([0, 1]),
    ]
    assert len({images.digest(), *(c.digest() for c in changed)}) == 5


def test_images_travel_to_other_processes():
    back = pickle.loads(pickle.dumps(small(official=(40, 20)).select([0, 5])))
    assert back.digest() == small().select([0, 5]).digest()
    assert (back.class_names, back.subset) == (small().class_names, small(official=(40, 20)).subset)
    assert not back.pixels.flags.writeable


# Parts.


def test_parts_are_the_official_test_and_a_validation_with_the_share_of_every_class():
    classes = np.repeat([0, 1, 2], [100, 60, 40])
    images = Images(pixels(200, side=1), labels={"class": classes}, test=np.arange(200) % 5 == 0)
    train, valid, test = images.parts(0)
    assert test.tolist() == list(range(0, 200, 5))
    assert np.bincount(classes[valid]).sum() == 16
    assert (np.abs(np.bincount(classes[valid]) - [8, 4.8, 3.2]) < 1).all()
    assert sorted([*train, *valid, *test]) == list(range(200))
    for part in (train, valid, test):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    again, other = images.parts(0), images.parts(1)
    assert all(np.array_equal(a, b) for a, b in zip(again, (train, valid, test), strict=True))
    assert not np.array_equal(other[1], valid)
    assert images.parts(0, valid=0)[1].size == 0


def test_without_a_test_part_a_fifth_is_drawn_that_does_not_depend_on_validation():
    classes = np.repeat([0, 1], [80, 20])
    images = Images(pixels(100, side=1), labels={"class": classes})
    train, valid, test = images.parts(3)
    assert np.bincount(classes[test]).tolist() == [16, 4]
    assert np.bincount(classes[valid]).tolist() in ([7, 1], [6, 2])
    assert sorted([*train, *valid, *test]) == list(range(100))
    np.testing.assert_array_equal(images.parts(3, valid=0.5)[2], test)


def test_parts_without_labels_are_drawn_evenly():
    drawn = np.zeros(30)
    for seed in range(200):
        drawn[Images(pixels(30, side=1)).parts(seed)[1]] += 1
    assert drawn.sum() == 200 * 2  # of 24 that a test part leaves
    assert drawn.min() >= 1
    assert drawn.max() <= 35  # 13 are expected of each


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=60),
    st.integers(0, 20),
    st.floats(0.01, 0.6),
    st.booleans(),
)
def test_any_images_are_parted_whole_and_fairly(classes, seed, share, has_test):
    test = np.zeros(len(classes), dtype=bool)
    test[-1] = has_test
    images = Images(pixels(len(classes), side=1), labels={"class": classes}, test=test)
    try:
        train, valid, tested = images.parts(seed, share)
    except DataError:
        assert len(classes) < 6
        return
    assert sorted([*train, *valid, *tested]) == list(range(len(classes)))
    assert min(len(train), len(valid), len(tested)) >= 1
    left = np.bincount(np.array(classes)[np.concatenate([train, valid])], minlength=5)
    assert len(valid) == max(1, round(share * left.sum()))
    taken = np.bincount(np.array(classes)[valid], minlength=5)
    assert (np.abs(taken - left * len(valid) / left.sum()) < 1 + 1e-9).all()


@pytest.mark.parametrize("valid", [-0.1, 1, float("nan")])
def test_a_share_out_of_range(valid):
    with pytest.raises(SettingError, match="0 or more and below 1"):
        small().parts(0, valid)


@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_a_seed_that_is_none(seed):
    with pytest.raises(SettingError, match="seed is"):
        small().parts(seed)


def test_too_few_images_to_part():
    with pytest.raises(DataError, match="none is left to train on"):
        small(test=[True] * 6).parts(0)
    with pytest.raises(DataError, match=r"1 image.* cannot be parted; at least 2"):
        Images(pixels(1, side=1)).parts(0)


# A folder of one's own.


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def flat(value, height=40, width=40):
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_subfolders_are_classes(tmp_path):
    for k, name in enumerate(("frog/b.png", "frog/a.PNG", "cat/deep/er/c.png")):
        save(tmp_path / name, flat(10 * k))
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / "frog" / ".hidden.png").write_text("passed over")
    images = read_image_folder(tmp_path)
    assert images.pixels.shape == (3, 32, 32, 3)
    assert images.pixels[:, 5, 5, 0].tolist() == [20, 10, 0]  # in the order of names
    assert images.labels["class"].tolist() == [0, 1, 1]
    assert images.class_names == {"class": ("cat", "frog")}
    assert not images.test.any()
    assert images.name == tmp_path.name
    assert (images.official, images.subset) == (None, "")


@pytest.mark.parametrize("tested", ["test", "val", "valid"])
def test_parts_are_folders(tmp_path, tested):
    for k, name in enumerate(("train/a/1.png", "train/b/2.png", f"{tested}/b/0.png")):
        save(tmp_path / name, flat(k))
    images = read_image_folder(tmp_path, size=8)
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert images.labels["class"].tolist() == [0, 1, 1]
    assert images.test.tolist() == [False, False, True]


def test_where_there_is_a_test_folder_too_validation_joins_training(tmp_path):
    for name in ("train/a/1.png", "val/a/1.png", "test/a/1.png"):
        save(tmp_path / name, flat(1))
    assert read_image_folder(tmp_path).test.tolist() == [False, False, True]


def test_a_flat_folder_has_no_labels(tmp_path):
    save(tmp_path / "x.png", flat(1))
    save(tmp_path / "y.bmp", flat(2))
    images = read_image_folder(tmp_path)
    assert (len(images), dict(images.labels), dict(images.class_names)) == (2, {}, {})
    for part in ("train", "test"):
        save(tmp_path / "parts" / part / "x.png", flat(1))
    images = read_image_folder(tmp_path / "parts")
    assert (dict(images.labels), images.test.tolist()) == ({}, [False, True])


def test_the_shorter_side_is_resized_and_the_centre_kept(tmp_path):
    wide = flat(0, height=20, width=60)
    wide[:, 20:40] = 200  # a square in the middle
    save(tmp_path / "a" / "wide.png", wide)
    save(tmp_path / "a" / "high.png", np.ascontiguousarray(wide.transpose(1, 0, 2)))
    exact = save(tmp_path / "b" / "exact.png", pixels(1, side=10)[0])
    images = read_image_folder(tmp_path, size=10)
    assert (images.pixels[:2, 3:7, 3:7] == 200).all()  # at its edges the resizing blends in what is beside it
    np.testing.assert_array_equal(images.pixels[2], np.asarray(Image.open(exact)))


def test_every_common_kind_of_image_becomes_colour(tmp_path):
    array = np.zeros((16, 16, 3), dtype=np.uint8)
    array[..., 0] = 204
    colour = Image.fromarray(array)
    for mode, ending in (
        ("RGB", "png"), ("RGB", "jpg"), ("RGB", "tif"), ("RGB", "webp"), ("RGBA", "png"), ("CMYK", "jpg"),
        ("P", "gif"), ("P", "png"), ("L", "png"), ("LA", "png"), ("1", "png"), ("RGB", "ppm"),
    ):  # fmt: skip
        path = tmp_path / mode / f"x.{ending}"
        path.parent.mkdir(exist_ok=True)
        colour.convert(mode).save(path)
        (tmp_path / mode / f"x.{ending}").rename(tmp_path / f"{mode}.{ending}")
        path.parent.rmdir()
    images = read_image_folder(tmp_path, size=16)
    assert len(images) == 12
    grey = {"1.png": (0, 255), "L.png": (61, 61), "LA.png": (61, 61)}  # 0.299 of the red; one bit is dithered
    for row, name in enumerate(sorted(p.name for p in tmp_path.iterdir())):
        seen = images.pixels[row].astype(int)
        if name in grey:
            assert (seen == seen[..., :1]).all(), name
            assert set(np.unique(seen)) <= set(grey[name]), name
        else:
            assert (np.abs(seen - [204, 0, 0]) <= 6).all(), name


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path):
    array = flat(0, height=16, width=16)
    array[:, :8] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    save(tmp_path / "x.jpg", array, exif=exif, quality=95)
    (image,) = read_image_folder(tmp_path, size=16).pixels
    assert image[2].min() > 200
    assert image[13].max() < 50


def test_damaged_images_are_named(tmp_path):
    whole = jpeg(pixels(1)[0])
    save(tmp_path / "a" / "good.png", flat(1))
    broken = tmp_path / "a" / "bad.jpg"
    for content in (whole[: len(whole) // 2], b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"):
        broken.write_bytes(content)
        with pytest.raises(FileError, match=r"bad\.jpg is no whole image .*mend or delete it") as caught:
            read_image_folder(tmp_path)
        assert "\n" not in str(caught.value)
        assert "0x" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_is_a_named_error_or_none(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
    content = bytearray(jpeg(pixels(1, side=12)[0], kind))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 200)))] = data.draw(st.integers(0, 255))
    path = folder / "x.png"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        shape, said = read_image_folder(folder, size=4).pixels.shape, ""
    except (FileError, DataError) as error:
        shape, said = (), str(error)
    assert shape == (1, 4, 4, 3) or str(path) in said


def test_deep_colours_and_huge_images_are_refused(tmp_path, monkeypatch):
    save(tmp_path / "x.tif", np.full((4, 4), 60_000, dtype=np.uint16))
    with pytest.raises(DataError, match=r"x\.tif holds values of kind 'I;16'.*8 bits"):
        read_image_folder(tmp_path)
    (tmp_path / "x.tif").unlink()
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    (tmp_path / "x.png").write_bytes(bomb.getvalue())
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(FileError, match="12000 x 12000 pixels"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a/x.png", "y.png"], "both in folders of classes, such as 'a', and beside them"),
        (["train/a/x.png", "test/a/y.png", "other/z.png"], "'other/z.png' is not in it"),
        (["train/a/x.png", "test/b/y.png"], "a class 'b', which has no images to train on"),
        (["train/a/x.png", "test/y.png"], "beside them"),
        (["test/a/x.png", "val/a/y.png"], "none in train"),
    ],
)
def test_a_layout_that_is_none(tmp_path, files, said):
    for name in files:
        save(tmp_path / name, flat(1))
    with pytest.raises(DataError, match=said):
        read_image_folder(tmp_path)


def test_an_empty_or_missing_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "labels.csv").write_text("x")
    with pytest.raises(FileError, match="holds no images"):
        read_image_folder(tmp_path)
    with pytest.raises(FileError, match="there is no folder"):
        read_image_folder(tmp_path / "nowhere")


def test_links_are_not_followed_out_of_the_folder(tmp_path):
    outside = save(tmp_path / "outside" / "a" / "x.png", flat(7))
    folder = tmp_path / "mine"
    inside = save(folder / "a" / "y.png", flat(1))
    (folder / "a" / "z.png").symlink_to(inside)
    assert len(read_image_folder(folder)) == 2
    link = folder / "a" / "link.png"
    link.symlink_to(outside)
    with pytest.raises(FileError, match=r"link\.png is a link that leads out"):
        read_image_folder(folder)
    link.unlink()
    (folder / "b").symlink_to(outside.parent, target_is_directory=True)
    with pytest.raises(FileError, match="b is a link to a folder"):
        read_image_folder(folder)
    (folder / "b").unlink()
    (tmp_path / "named").symlink_to(folder, target_is_directory=True)
    assert len(read_image_folder(tmp_path / "named")) == 2  # the folder itself was asked for


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", True, 5000])
def test_a_size_that_is_none(tmp_path, size):
    with pytest.raises(SettingError, match="whole number of pixels"):
        read_image_folder(tmp_path, size=size)


# By name or path.


def test_what_holds_images_and_what_does_not(tmp_path, monkeypatch):
    save(tmp_path / "mine" / "a" / "x.png", flat(1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "session.npz").write_bytes(b"")
    assert is_images("cifar-10")
    assert is_images("tiny-imagenet")
    assert is_images(str(tmp_path / "mine"))
    for name in ("chewie-1", "cifar-11", str(tmp_path / "empty"), str(tmp_path / "session.npz"), str(tmp_path / "no")):
        assert not is_images(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").rename(tmp_path / "chewie-1")
    assert not is_images("chewie-1")  # a dataset's name goes first


def test_a_folder_is_loaded_with_its_options(tmp_path):
    save(tmp_path / "a" / "x.png", flat(1))
    assert load_images(str(tmp_path), ["size=12"]).size == (12, 12)
    with pytest.raises(UnknownNameError, match="'sise'; did you mean 'size'"):
        load_images(str(tmp_path), ["sise=12"])


def test_unknown_images_list_the_choices(tmp_path):
    with pytest.raises(
        UnknownNameError, match=r"'cifar10'; did you mean 'cifar-10'\? Choices: cifar-10, .*tiny-imagenet"
    ):
        load_images("cifar10")
    with pytest.raises(FileError, match="there is no folder"):
        load_images(str(tmp_path / "nowhere"))
    with pytest.raises(SettingError, match="chewie-1 is no folder of images"):
        load_images("chewie-1")
    with pytest.raises(SettingError, match="cifar-10 holds images; a recording is needed"):
        load_recording("cifar-10")
