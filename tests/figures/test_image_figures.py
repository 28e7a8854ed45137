"""Figures of images: what they show was counted by hand, nothing is cut off, and missing files are passed over."""

import json

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from tiny_images import tiny_images

from myow.data.images import Images
from myow.errors import DataError
from myow.figures import images as figures
from myow.figures import mined, style
from myow.figures.images import Group, groups
from myow.figures.run_figures import candidates_per_step, draw_images
from myow.methods.images import ImageBYOL, ImageMYOW
from myow.methods.runs import Run, RunFolder
from myow.training.augment_images import ImageAugment

RNG = np.random.default_rng(0)
IMAGES = tiny_images(30, n_test=0)  # classes 0, 1, 2, 0, 1, 2, ...
BARE = Images(IMAGES.pixels)
Z = RNG.normal(size=(30, 4))
STEPS = [10, 20, 30]
ANCHORS = [[0, 1, 2, 0], [3, 4, 5, 5], [6, 7, 8, 8]]
MINED = [[-1, -1, -1, -1], [6, 5, -1, 8], [9, 10, 11, 9]]  # at step 20 2 of 3 of the anchor's class, at step 30 3 of 4


def as_they_are(x, generator):
    return x


def many_classes(n=60):
    names = [f"a class with a long name {i}" for i in range(40)]
    labels = {"class": np.arange(n) % 40, "coarse": np.arange(n) % 20}
    return Images(
        RNG.integers(0, 256, (n, 6, 9, 3), dtype=np.uint8),
        labels=labels,
        class_names={"class": names, "coarse": names[:20]},
        name="an uncommonly long name of a set of images",
        official=(5000, 1000),
    )


MANY = many_classes()


def row(method="myow", seed=0, accuracy=0.5, labels=("all",), **more):
    def score(value):
        found = {"accuracy": value, "interval": [value - 0.02, value + 0.03], "majority": 0.1}
        return {"linear": found, "knn": found | {"accuracy": value - 0.05}}

    scores = {
        n: {"embedding": score(accuracy), "raw": score(0.3 + seed / 100), "untrained": score(0.25)} for n in labels
    }
    about = {"dataset": "cifar-10", "encoder": "resnet18", "width": 4, "subset": "", "settings": {}, "error": None}
    return about | {"method": method, "seed": seed, "steps": 40, "epochs": 8.0, "scores": scores} | {
        "key": f"{method}{seed}{len(more)}"
    } | more  # fmt: skip


ROWS = [row("myow", 0, 0.6), row("myow", 1, 0.7), row("byol", 0, 0.55), row("simclr", 0, 0.5)]
GROUP = Group("cifar-10", "resnet18", 4, "")


def metrics(terms=("loss",), steps=(1, 20, 40)):
    shape = {"uniformity": -1.0, "effective_rank": 3.0, "hubness": 0.5}
    return [{"step": s, "seconds": s, "learning_rate": 0.1} | dict.fromkeys(terms, 1 / s) | shape for s in steps]


TRAININGS = {"MYOW": [(metrics(("loss", "augmented", "mined")), 0.2)] * 2, "BYOL": [(metrics(), 0.2)]}

DRAWN = {
    "mined": lambda: mined.draw_mined_images(
        IMAGES, STEPS, ANCHORS, MINED, augment=ImageAugment(), pool=20, name="toy"
    ),
    "mined, no labels": lambda: mined.draw_mined_images(BARE, STEPS, ANCHORS, MINED, augment=ImageAugment()),
    "mined once": lambda: mined.draw_mined_images(IMAGES, [7], [[0]], [[1]], augment=as_they_are),
    "mined, two labels": lambda: mined.draw_mined_images(
        MANY, np.arange(12), RNG.integers(0, 60, (12, 9)), RNG.integers(0, 60, (12, 9)), augment=ImageAugment()
    ),
    "map": lambda: figures.draw_image_map(IMAGES, Z, name="toy", total=90),
    "map, no labels": lambda: figures.draw_image_map(BARE, Z),
    "map of many": lambda: figures.draw_image_map(MANY, RNG.normal(size=(60, 3))),
    "map of one": lambda: figures.draw_image_map(IMAGES.select([3]), Z[:1]),
    "map of equals": lambda: figures.draw_image_map(IMAGES, np.zeros((30, 1))),
    "curves": lambda: figures.draw_image_curves(TRAININGS, name="toy", subset="subset: 3 of 9"),
    "curves of one record": lambda: figures.draw_image_curves({"BYOL": [(metrics(steps=(1,)), 0.5)]}),
    "dots": lambda: figures.draw_image_dots(GROUP, groups(ROWS)[GROUP]),
    "dots of few labels": lambda: figures.draw_image_dots(
        Group("a-folder", "own", 64, "subset: 30 of 300 training and 10 of 100 test images"),
        {f"a method that has a long name {i}": [row(labels=("1", "10", "all"), epochs=i)] for i in range(9)},
    ),
}


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def panels_of(figure):
    return {a.get_title(loc="left"): a for a in figure.axes if a.get_title(loc="left")}


def line(axes, colour):
    return next(found for found in axes.lines if found.get_color() == colour and len(found.get_xdata()) > 1)


# Every figure.


# Mined images.


def test_a_block_shows_anchor_two_views_and_what_was_mined():
    def darker(x, generator):
        return x / 2

    axes = mined.draw_mined_images(IMAGES, STEPS, ANCHORS, MINED, augment=darker).axes[0]
    drawn = [np.asarray(found.get_array()) for found in axes.images]
    # Step 10 mined nothing; at 20 image 2 found none; at 30 image 8 stands once.
    for i, (anchor, found) in enumerate([(3, 6), (4, 5), (5, 8), (6, 9), (7, 10), (8, 11)]):
        image, one, other, last = drawn[4 * i : 4 * i + 4]
        assert np.array_equal(image, IMAGES.pixels[anchor])
        assert np.array_equal(last, IMAGES.pixels[found])
        for view in (one, other):
            assert np.allclose(view, IMAGES.pixels[anchor] / 510)
    assert len(drawn) == 24


def test_frames_and_names_say_whether_the_class_is_the_same():
    axes = mined.draw_mined_images(IMAGES, STEPS, ANCHORS, MINED, augment=as_they_are).axes[0]
    frames = [to_hex(p.get_edgecolor()) for p in axes.patches if isinstance(p, Rectangle)]
    same, other = style.ACCENT, style.CLASSES[1]
    assert frames == [same, other, same, same, same, same]  # 4 of class 1 mined 5 of class 2
    shares = [t.get_text() for t in axes.texts if "%" in t.get_text()]
    assert shares == [f"of all mined images at this step {n} % have the anchor's class" for n in (67, 75)]
    assert {"step 20", "step 30"} <= {t.get_text() for t in axes.texts}


def test_shares_stand_beside_chance():
    panels = panels_of(mined.draw_mined_images(IMAGES, STEPS, ANCHORS, MINED, augment=as_they_are))
    assert list(panels) == ["same class", "different images mined"]
    same, distinct = panels.values()
    assert np.allclose(line(same, style.ACCENT).get_xydata(), [(20, 2 / 3), (30, 3 / 4)])
    assert np.allclose(line(same, style.MUTED).get_ydata(), 9 / 29)  # of the 29 others 9 are of one's class
    assert np.allclose(line(distinct, style.ACCENT).get_xydata(), [(20, 1), (30, 3 / 4)])


def test_without_labels_there_are_no_marks_and_no_share():
    figure = DRAWN["mined, no labels"]()
    assert list(panels_of(figure)) == ["different images mined"]
    assert not figure.axes[0].patches
    assert not figure.legends
    assert not any("class" in text or "label" in text for text in texts(figure))


def test_each_label_has_a_panel_and_steps_are_spread_over_training():
    figure = DRAWN["mined, two labels"]()
    assert list(panels_of(figure)) == ["same class", "same coarse", "different images mined"]
    shown = [t for t in texts(figure) if t.startswith("step ")]
    assert shown == ["step 0", "step 3", "step 6", "step 8", "step 11"]
    assert len(figure.axes[0].images) == 5 * 4 * 4


def test_images_keep_their_shape():
    left, right, bottom, top = DRAWN["mined, two labels"]().axes[0].images[0].get_extent()
    assert np.isclose((top - bottom) / (right - left), 6 / 9)


# Map.


def test_each_square_shows_the_image_nearest_to_its_middle():
    turn = np.array([0.0, 0.001, 0.5, 1.0])[[0, 1, 1, 2, 2, 3]] * np.pi
    z = np.stack([np.cos(turn), np.sin(turn)], axis=1) * [[1], [2], [3], [4], [5], [6]]  # lengths do not count
    figure = figures.draw_image_map(IMAGES.select(np.arange(6)), z)
    axes = figure.axes[0]
    drawn = [next(i for i in range(6) if np.array_equal(im.get_array(), IMAGES.pixels[i])) for im in axes.images]
    assert len(drawn) == 3  # at 0, at a quarter and at half a turn
    assert sum(i in drawn for i in (0, 1, 2)) == 1
    assert sum(i in drawn for i in (3, 4)) == 1
    assert 5 in drawn
    assert any(text.startswith("3 are shown") for text in texts(figure))
    assert np.isclose(np.ptp(axes.get_xlim()) / axes.bbox.width, np.ptp(axes.get_ylim()) / axes.bbox.height)
    assert not axes.findobj(PathCollection)


def test_images_do_not_cover_each_other_and_stand_near_their_place():
    figure = DRAWN["map, no labels"]()
    boxes = np.array([im.get_extent() for im in figure.axes[0].images])
    left, right, bottom, top = boxes.T
    for i in range(len(boxes)):
        for j in range(i):
            assert left[i] >= right[j] or left[j] >= right[i] or bottom[i] >= top[j] or bottom[j] >= top[i]
    across, up = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert across[0] <= left.min()
    assert right.max() <= across[1]
    assert up[0] <= bottom.min()
    assert top.max() <= up[1]


def test_frames_are_coloured_by_the_first_label_with_few_classes():
    figure = DRAWN["map"]()
    assert figure.legends[0].get_title().get_text() == "class"
    colours = {to_hex(p.get_edgecolor()) for p in figure.axes[0].patches}
    assert colours == set(style.CLASSES[:3])
    assert not figure.axes[0].lines  # the frames alone tell three classes apart
    assert DRAWN["map of many"]().legends[0].get_title().get_text() == "coarse"
    fine = Images(MANY.pixels, labels={"class": MANY.labels["class"]})
    assert not figures.draw_image_map(fine, RNG.normal(size=(60, 3))).legends


def test_the_title_of_the_map_says_that_it_is_a_selection():
    assert any("30 of 90 images" in text for text in texts(DRAWN["map"]()))
    assert any("30 images" in text for text in texts(DRAWN["map, no labels"]()))


# Groups of a bench.


def test_rows_are_grouped_in_order_and_failures_are_left_out():
    rows = [*reversed(ROWS), row("myow", 2, error="DataError: no"), row("myow", 0, width=8)]
    found = groups(rows)
    assert [g.width for g in found] == [8, 4] or [g.width for g in found] == [4, 8]
    assert list(found[GROUP]) == ["MYOW", "BYOL", "SimCLR"]
    assert sorted(r["seed"] for r in found[GROUP]["MYOW"]) == [0, 1]


def test_settings_that_differ_are_named_and_the_last_row_of_a_key_counts():
    rows = [
        row("myow", 0, 0.1, key="a"),
        row("myow", 0, 0.6, key="a"),
        row("myow", 1, 0.7, key="b", settings={"k": 5, "flip": 0.0}),
        row("myow", 2, 0.7, key="c", settings={"k": 5, "flip": 0.0}),
    ]
    found = groups(rows)[GROUP]
    assert {name: len(of) for name, of in found.items()} == {
        "MYOW (flip default, k default)": 1,
        "MYOW (flip 0.0, k 5)": 2,
    }
    assert found["MYOW (flip default, k default)"][0]["scores"]["all"]["embedding"]["linear"]["accuracy"] == 0.6


def test_a_name_from_a_file_cannot_lead_out_of_the_folder():
    assert Group("/some/where/..", "a/b", 4, "").stem == "-_a-b"
    assert Group("/some/where/set", "own", 64, "").title == "set, an encoder of one's own"


# Curves.


def test_curves_are_over_epochs_a_colour_a_method():
    panels = panels_of(DRAWN["curves"]())
    assert list(panels) == ["MYOW", "BYOL", "uniformity", "effective rank", "hubness"]
    assert len(panels["MYOW"].lines) == 6  # three terms of two seeds
    assert {a.get_color() for a in panels["MYOW"].lines} == {style.CLASSES[0]}
    assert {a.get_color() for a in panels["BYOL"].lines} == {style.CLASSES[1]}
    assert np.allclose(panels["BYOL"].lines[0].get_xydata(), [(0.2, 1), (4, 1 / 20), (8, 1 / 40)])
    for title, value in (("uniformity", -1), ("effective rank", 3), ("hubness", 0.5)):
        drawn = panels[title].lines
        assert [a.get_color() for a in drawn] == [style.CLASSES[0]] * 2 + [style.CLASSES[1]]
        assert all(np.allclose(a.get_ydata(), value) for a in drawn)
        low, high = panels[title].get_ylim()
        assert low <= 0 <= high
    assert panels["hubness"].get_xlim() == (0, 8)


# Dots.


def test_dots_show_seeds_mean_baselines_majority_and_the_poster():
    linear, knn = DRAWN["dots"]().axes
    assert [t.get_text() for t in linear.get_yticklabels()] == [
        "MYOW", "BYOL", "SimCLR", "raw pixels", "untrained encoder",
    ]  # fmt: skip
    for axes, less in ((linear, 0.0), (knn, 0.05)):
        dots = [a.get_xdata()[0] for a in axes.lines if a.get_marker() == "o" and a.get_markerfacecolor() != "none"]
        # Raw pixels of seed 0 stand in three rows, and count once.
        assert np.allclose(np.array(dots) + less, [0.6, 0.7, 0.55, 0.5, 0.3, 0.31, 0.25, 0.25])
        means = [t.get_text() for t in axes.texts]
        assert means == [f"{m - less:.3f}" for m in (0.65, 0.55, 0.5, 0.305, 0.25)]
        dashed = next(a for a in axes.lines if a._dash_pattern[1] is not None and a.get_linestyle() == "--")
        assert np.allclose(dashed.get_xdata(), 0.1)
        low, high = axes.get_xlim()
        assert low < 0.1
        assert high > 0.921
    rings = [a for a in linear.lines if a.get_markerfacecolor() == "none"]
    assert [(float(a.get_xdata()[0]), float(a.get_ydata()[0])) for a in rings] == [(0.921, 0), (0.9171, 1), (0.918, 2)]
    assert not [a for a in knn.lines if a.get_markerfacecolor() == "none"]


def test_dots_have_a_line_of_panels_for_each_number_of_labels():
    figure = DRAWN["dots of few labels"]()
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "linear readout, 1 labelled image per class", "k-NN, 1 labelled image per class",
        "linear readout, 10 labelled images per class", "k-NN, 10 labelled images per class",
        "linear readout, all labels", "k-NN, all labels",
    ]  # fmt: skip
    assert "poster" not in texts(figure)
    with pytest.raises(DataError, match="no row holds a score"):
        figures.draw_image_dots(GROUP, {"MYOW": [row(labels=())]})


# A bench folder.


def test_a_bench_is_drawn_and_missing_metrics_are_passed_over(tmp_path):
    folder = tmp_path / "runs" / "cifar-10-resnet18-byol-byol00"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(m) + "\n" for m in metrics()))
    paths = figures.draw_curves(tmp_path, ROWS)
    folder = tmp_path / "figures"
    assert paths == [folder / "curves_cifar-10_resnet18.png", folder / "accuracy_cifar-10_resnet18.png"]
    assert sorted(folder.iterdir()) == sorted(paths)


def test_widths_do_not_share_a_figure(tmp_path):
    paths = figures.draw_curves(tmp_path, [*ROWS, row("byol", 0, width=8, key="wide")])
    assert [p.name for p in paths] == ["accuracy_cifar-10_resnet18.png", "accuracy_cifar-10_resnet18~2.png"]


def test_where_all_failed_nothing_is_drawn(tmp_path):
    assert figures.draw_curves(tmp_path, [row(error="TrainingError: loss became nan")]) == []
    assert list(tmp_path.iterdir()) == []


# A run folder.


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 6, 3)

    def forward(self, x):
        return self.layer(x.permute(0, 3, 1, 2)).mean(dim=(2, 3))


SMALL = {
    "encoder": Small,
    "threads": 1,
    "steps": 4,
    "epochs": None,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}
NETWORKS = {"projector": (6, 4), "predictor": 6}
MINING = {"mined_projector": (6, 4), "mined_predictor": 6, "pool_size": 12, "mined_start": 0.0}


def trained(path, model, train):
    run = Run("tiny", [], "myow", {}, "train", "official", 0, {}, {"name": "tiny", "digest": train.digest()})
    folder = RunFolder(path)
    folder.train(run, model, train, resume=False)
    return folder


@pytest.mark.parametrize("labelled", [True, False])
def test_a_run_is_drawn(tmp_path, labelled):
    images = tiny_images(30, n_test=10)
    images = images if labelled else Images(images.pixels, test=images.test)
    train, test = images.select(~images.test), images.select(images.test)
    model = ImageMYOW(**SMALL, **NETWORKS, **MINING)
    folder = trained(tmp_path / "run", model, train)
    paths = draw_images(folder, model, train, test)
    names = ["embedding_2d.png", "learning_curves.png", "geometry.png", "mined_images.png"]
    assert [p.name for p in paths] == names
    assert sorted(p.name for p in folder.path.glob("*.png")) == sorted(names)
    folder.clear(results_only=True)
    assert not list(folder.path.glob("*.png"))


def test_a_run_that_mined_nothing_has_no_mined_images(tmp_path):
    images = tiny_images(30, n_test=10)
    train, test = images.select(~images.test), images.select(images.test)
    model = ImageBYOL(**SMALL, **NETWORKS)
    folder = trained(tmp_path / "run", model, train)
    paths = draw_images(folder, model, train, test)
    assert [p.name for p in paths] == ["embedding_2d.png", "learning_curves.png", "geometry.png"]
    folder.metrics.unlink()
    assert [p.name for p in draw_images(folder, model, train, test)] == ["embedding_2d.png"]


def test_geometry_of_images_speaks_of_images(tmp_path, monkeypatch):
    images = tiny_images(30, n_test=10)
    train, test = images.select(~images.test), images.select(images.test)
    model = ImageBYOL(**SMALL, **NETWORKS)
    folder = trained(tmp_path / "run", model, train)
    figures = {}
    monkeypatch.setattr("myow.figures.run_figures.save", lambda figure, path: figures.update({path.stem: figure}))
    draw_images(folder, model, train, test)
    assert list(panels_of(figures["geometry"])) == ["uniformity", "effective rank", "hubness", "same class"]
    said = texts(figures["geometry"])
    assert "Of up to 512 training images, not augmented." in said
    assert not any("segment" in text for text in said)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pool": "queue", "pool_size": 40}, 40),
        ({"pool": "sample", "pool_size": 30}, 30),
        ({"pool": "batch", "batch_size": 8}, 16),
        ({"pool": "batch", "batch_size": 8, "symmetric": False}, 8),
    ],
)
def test_chance_of_different_images_knows_how_many_candidates_a_step_has(settings, expected):
    assert candidates_per_step(ImageMYOW(**settings)) == expected
    assert candidates_per_step(ImageBYOL()) is None
