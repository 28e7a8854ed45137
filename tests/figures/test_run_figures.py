"""Figures: whole files of the right size, the same each time, with numbers that were counted by hand."""

import errno
import gc
import os
import subprocess
import sys
import weakref

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from sklearn.decomposition import PCA
from test_ablation import ablation
from test_diagnose import diagnose

from myow import BYOL, MYOW
from myow.errors import DataError, FileError
from myow.evaluation.mined import mined_statistics, neighbour_statistics
from myow.figures import decoding, embedding, mined, style, training
from myow.figures.run_figures import candidates_per_step
from myow.figures.style import colour_by

RNG = np.random.default_rng(0)
N = 120
SEGMENTS = np.repeat(np.arange(20), 6)
DIRECTION = RNG.integers(0, 8, 20)[SEGMENTS]
TIMES = np.tile(np.arange(6) * 0.1, 20)
TURN = np.stack([np.cos(DIRECTION * np.pi / 4), np.sin(DIRECTION * np.pi / 4)], axis=1)
Z = np.concatenate([2 * TURN, TIMES[:, None], np.zeros((N, 5))], axis=1) + RNG.normal(0, 0.2, (N, 8))
STATE = np.array(["Wake", "nREM", "REM"])[DIRECTION % 3]
ANCHORS = [RNG.integers(0, N, 40) for _ in range(4)]
MINED = [(a + 6 * RNG.integers(1, 20, 40)) % N for a in ANCHORS]
METRICS = [
    {"step": s, "seconds": s / 10, "loss": 2 / s, "augmented": 1 / s, "learning_rate": 1e-3}
    | {"alignment": 1 / s, "uniformity": -2.0 / s, "effective_rank": 3.0 + s, "hubness": s - 2.5}
    | ({"mined": 1.5 / s} if s > 2 else {})
    for s in range(1, 6)
]


def evaluation(accuracy, **more):
    scores = {"accuracy": accuracy, "r2": None, "interval": [accuracy - 0.05, accuracy + 0.05]}
    about = {"dataset": "toy", "method": "myow", "target": "direction", "readout": "angle", "rows": "train"}
    return about | {"n_train": 100, "n_test": 20} | scores | more


RESULT = evaluation(
    0.7, raw=evaluation(0.65), pca=evaluation(0.6), untrained=evaluation(0.4), majority=0.14, labels=None
)
MINED_INPUT = {"segments": SEGMENTS, "times": TIMES, "label": DIRECTION, "period": 8.0}

NEAR = neighbour_statistics(
    range(4), np.arange(0, N, 3), [RNG.permutation(np.arange(0, N, 3)) for _ in range(4)],
    segments=SEGMENTS, times=TIMES, label=DIRECTION,
)  # fmt: skip
VARIANTS = {
    "default": {
        "mined_same_label": ([1, 5, 9], RNG.random((3, 3))),
        "mined_same_label_chance": ([1, 5, 9], np.full((3, 3), 0.12)),
        "hubness": ([1, 5, 9], RNG.normal(size=(3, 3))),
    },
    "a variant with a name far too long for a key": {"hubness": ([1, 9], RNG.normal(size=(3, 2)))},
}
POINTS = [
    ablation.Point(augmentation, strength, mining, labels, RNG.uniform(0.4, 0.8, 5).tolist())
    for labels in ("all", "1")
    for mining in (True, False)
    for augmentation, strength in (("dropout", 0.6), ("dropout", 0.0), ("some_new_one", 3.0), (None, 0.0))
]

DRAWN = {
    "2d": lambda: embedding.draw_embedding(
        Z, DIRECTION, period=8, part=SEGMENTS > 15, name="toy", label_name="direction"
    ),
    "3d": lambda: embedding.draw_embedding(Z, DIRECTION, dimensions=3, period=8, part=SEGMENTS > 15),
    "states": lambda: embedding.draw_embedding(Z, STATE, label_name="state"),
    "speed": lambda: embedding.draw_embedding(Z, Z[:, 0], dimensions=3, label_name="speed (cm/s)"),
    "phase": lambda: embedding.draw_embedding(
        Z, Z[:, 0], period=2 * np.pi, label_name="a phase with an uncommonly long name"
    ),
    "no label": lambda: embedding.draw_embedding(Z),
    "many classes": lambda: embedding.draw_embedding(
        Z, np.array([f"a class with a long name {i % 40}" for i in range(N)])
    ),
    "curves": lambda: training.draw_learning_curves(METRICS, name="toy"),
    "one record": lambda: training.draw_learning_curves(METRICS[:1]),
    "loss alone": lambda: training.draw_learning_curves([{"step": r["step"], "loss": r["loss"]} for r in METRICS]),
    "geometry": lambda: training.draw_geometry(
        METRICS, neighbours=NEAR, name="toy", label_name="a label with a long name"
    ),
    "geometry once": lambda: training.draw_geometry(METRICS[:1]),
    "diagnosis": lambda: diagnose.draw_diagnosis(VARIANTS, name="toy", label_name="direction"),
    "augmentation": lambda: ablation.draw_augmentation_curves(POINTS, defaults={"dropout": 0.6}, name="toy"),
    "one augmentation": lambda: ablation.draw_augmentation_curves(POINTS[:2]),
    "confusion": lambda: decoding.draw_confusion(
        [[5, 1], [2, 3]], ["a", "b"], dataset="toy", target="state", readout="class"
    ),
    "confusion of many": lambda: decoding.draw_confusion(
        np.eye(24), [f"a class with a long name {i}" for i in range(24)]
    ),
    "decoding": lambda: decoding.draw_decoding(RESULT),
    "mined": lambda: mined.draw_mined_views(range(4), ANCHORS, MINED, **MINED_INPUT, label_name="direction"),
    "mined once": lambda: mined.draw_mined_views([1], ANCHORS[:1], MINED[:1], **MINED_INPUT),
    "mined, one segment": lambda: mined.draw_mined_views(
        range(4), ANCHORS, MINED, segments=np.zeros(N), times=np.arange(N) * 60.0, label=STATE, gap=300.0
    ),
}


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def line(axes, colour):
    return next(found for found in axes.lines if found.get_color() == colour)


# Every figure.


def test_settings_of_the_caller_neither_matter_nor_change(tmp_path):
    style.save(DRAWN["curves"](), tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        style.save(DRAWN["curves"](), tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert np.array_equal(imread(tmp_path / "a.png"), imread(tmp_path / "b.png"))


def test_pyplot_is_not_even_imported_and_figures_are_freed(tmp_path):
    figure = DRAWN["3d"]()
    style.save(figure, tmp_path / "a.png")
    gone = weakref.ref(figure)
    del figure
    gc.collect()
    assert gone() is None
    code = (
        "import sys, numpy as np; from myow.figures import decoding, embedding, style, training\n"
        f"style.save(embedding.draw_embedding(np.eye(5), dimensions=3), {str(tmp_path / 'b.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Files appear whole or not at all.


def test_a_missing_folder_is_an_error_that_says_so(tmp_path):
    with pytest.raises(FileError, match="check that the folder exists"):
        style.save(DRAWN["decoding"](), tmp_path / "nowhere" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "plain").write_text("x")
    with pytest.raises(FileError, match="cannot write"):
        style.save(DRAWN["decoding"](), tmp_path / "plain" / "a.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to a read-only folder")
def test_a_read_only_folder_is_an_error(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="cannot write"):
            style.save(DRAWN["decoding"](), tmp_path / "a.png")
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o755)


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    style.save(DRAWN["decoding"](), target)
    before = target.read_bytes()

    def full(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half a pict")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(FileError, match="No space left"):
        style.save(DRAWN["decoding"](), target)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


# Colours.


def oklab(rgb):
    """Oklab coordinates of sRGB colours (Ottosson 2020), and of what a person without green cones sees (Machado 2009)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    blind = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return [np.cbrt(np.clip(seen, 0, 1) @ to_lms.T) @ to_lab.T for seen in (linear, np.clip(linear @ blind.T, 0, 1))]


def test_eight_directions_look_different_with_and_without_green_cones():
    for seen in oklab(style.cyclic_map()(np.arange(8) / 8)[:, :3]):
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(8)
        assert apart.min() > 0.09
        assert seen[:, 0].max() < 0.85  # on white


def test_the_cyclic_map_closes_and_moves_at_constant_speed():
    seen = oklab(style.cyclic_map()(np.arange(512) / 512 + 1e-6)[:, :3])[0]
    steps = np.linalg.norm(np.diff(seen, axis=0, append=seen[:1]), axis=1)
    assert steps.max() < 1.6 * steps.mean()
    assert steps[-1] < 1.6 * steps.mean()  # from the end back to the start


def test_a_cyclic_label_goes_round():
    colours = colour_by([0, 8, -8, 4, 12], 5, period=8).colours
    assert np.array_equal(colours[0], colours[1])
    assert np.array_equal(colours[0], colours[2])
    assert np.array_equal(colours[3], colours[4])
    assert not np.allclose(colours[0], colours[3])


@pytest.mark.parametrize(
    ("label", "kind", "values"),
    [
        (None, "none", ()),
        (["b", "a", "b", "a"], "classes", ["a", "b"]),
        ([2, 2, 2, 2], "classes", ["2"]),
        ([True, False, True, True], "classes", ["False", "True"]),
        ([1.0, 2.0, 1.0, 2.0], "classes", ["1", "2"]),
        ([0.1, 0.2, 0.3, 0.4], "continuous", (0.1, 0.4)),
        ([0.5, 0.5, 0.5, 0.5], "continuous", (0.5, 0.5)),
    ],
)
def test_the_kind_of_label_is_seen(label, kind, values):
    colouring = colour_by(label, 4)
    assert colouring.kind == kind
    assert colouring.values == values
    assert np.isfinite(colouring.colours).all()


def test_classes_beyond_the_palette_differ_by_mark():
    colouring = colour_by([f"{i:02d}" for i in range(20)], 20)
    looks = {
        (*c, m) for c, m in zip(colouring.colours.tolist(), colouring.marks.tolist(), strict=True) for c in [tuple(c)]
    }
    assert len(looks) == 20


@pytest.mark.parametrize(
    ("label", "period", "words"),
    [
        ([1, 2], None, "one value a row"),
        (np.zeros((4, 2)), None, r"shape \(4, 2\)"),
        ([0.0, np.nan, 1.0, 2.0], None, "NaN"),
        (["a", "b", "c", "d"], 8.0, "cyclic label must be numbers"),
        (np.array([None] * 4), None, "numbers or strings"),
    ],
)
def test_a_label_that_cannot_be_coloured_is_refused(label, period, words):
    with pytest.raises(DataError, match=words):
        colour_by(label, 4, period)


# Embedding.


def test_the_projection_is_that_of_scikit_learn():
    ours, share = embedding.project(Z, 3)
    reference = PCA(3).fit(Z)
    theirs = reference.transform(Z)
    assert np.allclose(share, reference.explained_variance_ratio_)
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-8)
    assert np.allclose(ours.mean(axis=0), 0)


@pytest.mark.parametrize("z", [np.ones((5, 3)), np.arange(4.0)[:, None], np.zeros((1, 2))])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_embeddings_with_little_to_show_are_drawn(z, dimensions, tmp_path):
    coordinates, share = embedding.project(z, dimensions)
    assert coordinates.shape == (len(z), dimensions)
    assert np.isfinite(coordinates).all()
    assert np.isfinite(share).all()
    style.save(embedding.draw_embedding(z, np.zeros(len(z), dtype=int), dimensions=dimensions), tmp_path / "a.png")


def test_axes_say_how_much_variance_they_explain():
    z = np.array([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]])  # variances 18 and 2
    assert {"embedding axis 1 (90 % of variance)", "embedding axis 2 (10 % of variance)"} <= set(
        texts(embedding.draw_embedding(z))
    )
    assert "embedding axis 3 (0 % of variance)" in texts(embedding.draw_embedding(z, dimensions=3))


def test_held_out_rows_are_drawn_stronger():
    layers = embedding.draw_embedding(Z, STATE, part=SEGMENTS > 15).axes[0].collections
    training, held_out = layers
    assert len(training.get_offsets()) == (SEGMENTS <= 15).sum()
    assert len(held_out.get_offsets()) == (SEGMENTS > 15).sum()
    assert held_out.get_sizes()[0] > training.get_sizes()[0]
    assert held_out.get_facecolors()[:, 3].min() > training.get_facecolors()[:, 3].max()


def test_without_a_label_there_is_one_colour_and_no_key():
    figure = DRAWN["no label"]()
    assert len(np.unique(figure.axes[0].collections[0].get_facecolors(), axis=0)) == 1
    assert len(figure.axes) == 1
    assert not figure.legends


def test_the_key_lists_classes_or_shows_a_wheel():
    legend = DRAWN["states"]().legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["REM", "Wake", "nREM"]
    wheel = DRAWN["2d"]().axes[1]
    assert len(wheel.patches) == len(np.unique(DIRECTION))
    assert {"0°", "90°", "180°", "270°"} <= {t.get_text() for t in wheel.texts}


def test_very_many_rows_are_thinned_and_the_title_says_so():
    figure = embedding.draw_embedding(np.random.default_rng(1).normal(size=(25_000, 3)))
    assert sum(len(c.get_offsets()) for c in figure.axes[0].collections) == 20_000
    assert any("20,000 of 25,000 bins" in t for t in texts(figure))


# Learning curves.


def test_terms_are_found_whatever_the_method():
    rows = [{"step": 1, "contrast": 2.0, "loss": 3.0, "learning_rate": 0.1}, {"step": 2, "loss": 1.0, "penalty": 0.5}]
    assert training.loss_terms(rows) == ["loss", "contrast", "penalty"]


def test_curves_show_the_numbers_of_the_rows():
    upper, rate = DRAWN["curves"]().axes
    assert np.allclose(line(upper, style.INK).get_xydata(), [(r["step"], r["loss"]) for r in METRICS])
    assert sorted(len(found.get_xdata()) for found in upper.lines) == [3, 5, 5]  # the mined term begins later
    assert {t.get_text() for t in upper.texts} == {"loss", "augmented", "mined"}
    assert rate.get_ylim()[0] == 0


# Geometry.


def panels_of(figure):
    return {a.get_title(loc="left"): a for a in figure.axes if a.get_title(loc="left")}


def test_geometry_shows_what_was_measured_and_neighbours_beside_chance():
    panels = panels_of(DRAWN["geometry"]())
    assert list(panels) == ["alignment", "uniformity", "effective rank", "hubness", "same a label wi…long name"]
    for key in ("alignment", "uniformity", "effective_rank", "hubness"):
        axes = panels[key.replace("_", " ")]
        assert np.allclose(line(axes, style.ACCENT).get_xydata(), [(r["step"], r[key]) for r in METRICS])
        low, high = axes.get_ylim()
        assert low <= 0 <= high  # zero means something for each
    near = panels["same a label wi…long name"]
    assert np.allclose(line(near, style.ACCENT).get_ydata(), NEAR["same_label"])
    assert np.allclose(line(near, style.MUTED).get_ydata(), NEAR["same_label_chance"].mean())


def test_geometry_leaves_out_what_was_not_measured_and_refuses_if_that_is_all():
    rows = [{"step": r["step"], "effective_rank": r["effective_rank"]} for r in METRICS]
    assert list(panels_of(training.draw_geometry(rows))) == ["effective rank"]
    with pytest.raises(DataError, match="nothing of the embedding to draw"):
        training.draw_geometry([{"step": 1, "loss": 1.0}])


# Variants beside each other.


def test_diagnosis_draws_means_over_seeds_and_names_the_variants():
    figure = DRAWN["diagnosis"]()
    panels = panels_of(figure)
    assert list(panels) == ["mined views: same direction", "hubness"]
    curves = VARIANTS["default"]
    first, second = style.CLASSES[:2]
    for title, key in (("mined views: same direction", "mined_same_label"), ("hubness", "hubness")):
        drawn = next(a for a in panels[title].lines if a.get_color() == first and a.get_linestyle() == "-")
        assert np.allclose(drawn.get_xydata(), np.stack([curves[key][0], curves[key][1].mean(axis=0)], axis=1))
        band = panels[title].collections[0].get_paths()[0].vertices
        spread = curves[key][1].std(axis=0, ddof=1)
        assert np.isclose(band[:, 1].max(), (curves[key][1].mean(axis=0) + spread).max())
    dashed = next(a for a in panels["mined views: same direction"].lines if a.get_linestyle() == "--")
    assert np.allclose(dashed.get_ydata(), 0.12)
    assert {a.get_color() for a in panels["hubness"].lines} == {first, second}
    assert "default" in texts(figure)


# Strength of augmentation.


def test_augmentation_curves_are_means_over_folds_in_order_of_strength():
    figure = DRAWN["augmentation"]()
    top, below = figure.axes[0], figure.axes[2]
    assert [a.get_title(loc="left") for a in figure.axes[:2]] == ["neuron dropout", "some new one"]
    assert [a.get_ylabel() for a in (top, below)] == ["accuracy, all labels", "accuracy, 1 label"]
    for axes, labels in ((top, "all"), (below, "1")):
        for mining, look in ablation.LOOKS.items():
            scores = {
                (p.augmentation, p.strength): p.scores for p in POINTS if (p.labels, p.mining) == (labels, mining)
            }
            values = np.array([scores["dropout", 0.0], scores["dropout", 0.6]])
            curve, flat = (a for a in axes.lines if a.get_color() == look["color"])
            assert np.allclose(curve.get_xydata(), np.stack([[0, 0.6], values.mean(axis=1)], axis=1))
            assert np.allclose(flat.get_ydata(), np.mean(scores[None, 0.0]))
            tops = [c.get_paths()[0].vertices[:, 1].max() for c in axes.collections]
            assert np.isclose(tops, (values.mean(axis=1) + values.std(axis=1, ddof=1)).max()).any()
    assert {"default", "no augmentation, without mining"} <= set(texts(figure))


# Confusion.


def test_confusion_shows_counts_and_shares_of_the_true_class():
    figure = decoding.draw_confusion(
        [[6, 2, 0], [1, 3, 0], [0, 0, 0]],
        ["Wake", "nREM", "REM"],
        dataset="toy",
        target="state",
        readout="class",
        labels=1,
        interval=[0.6, 0.9],
    )
    axes = figure.axes[0]
    assert np.allclose(axes.images[0].get_array(), [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 0]])
    assert sorted(t.get_text() for t in axes.texts) == ["1", "2", "3", "6"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["Wake", "nREM", "REM (no rows)"]
    title = axes.get_title(loc="left")
    assert title == ("toy, class readout, 1 labelled segment per class\naccuracy 0.750 (95 % interval 0.600 to 0.900)")


def test_confusion_takes_the_accuracy_and_the_unit_it_is_given():
    title = (
        decoding.draw_confusion([[1]], ["a"], accuracy=0.5, labels=5, label_unit="minute").axes[0].get_title(loc="left")
    )
    assert title == "5 labelled minutes per class\naccuracy 0.500"


# Decoding performance.


def test_decoding_shows_every_row_with_its_interval_on_an_axis_from_zero():
    axes = decoding.draw_decoding(RESULT).axes[0]
    dots = [found for found in axes.lines if found.get_marker() == "o"]
    assert [float(d.get_xdata()[0]) for d in dots] == [0.7, 0.65, 0.6, 0.4]
    bars = [found.get_xdata() for found in axes.lines if found.get_marker() == "None" and found.get_linestyle() == "-"]
    assert np.allclose(bars, [[0.65, 0.75], [0.6, 0.7], [0.55, 0.65], [0.35, 0.45]])
    assert axes.get_xlim() == (0, 1)
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names == ["myow embedding", "raw counts", "components", "untrained encoder"]
    assert {"majority 0.14", "0.700  [0.650, 0.750]"} <= {t.get_text() for t in axes.texts}


def test_decoding_of_a_continuous_readout_is_r2_and_may_be_negative():
    def score(r2):
        return evaluation(0.0) | {"accuracy": None, "r2": r2, "interval": None, "readout": "continuous"}

    axes = decoding.draw_decoding(score(0.5) | {"raw": score(-0.3), "pca": None, "majority": None}).axes[0]
    assert axes.get_xlim()[0] < -0.3
    assert len(axes.get_yticklabels()) == 2
    assert axes.get_xlabel().startswith("R²")
    assert "\N{MINUS SIGN}0.300" in {t.get_text() for t in axes.texts}


# Mined views.


def test_the_figure_draws_the_statistics_and_names_chance():
    figure = DRAWN["mined"]()
    expected = mined_statistics(range(4), ANCHORS, MINED, **MINED_INPUT)
    panels = {a.get_title(loc="left"): a for a in figure.axes if a.get_title(loc="left")}
    assert set(panels) == {
        "same direction", "difference at step 3", "same segment", "distinct views", "time since segment start",
        "segments apart",
    }  # fmt: skip
    share = panels["same direction"]
    assert np.allclose(line(share, style.ACCENT).get_ydata(), expected["same_label"])
    assert np.allclose(line(share, style.MUTED).get_ydata(), expected["same_label_chance"].mean())
    assert share.get_ylim() == (0, 1)
    assert f"dashed: chance {expected['same_label_chance'].mean():.2f}" in {t.get_text() for t in share.texts}
    distinct = panels["distinct views"]
    assert np.allclose(line(distinct, style.ACCENT).get_ydata(), expected["distinct"])
    assert np.allclose(line(distinct, style.MUTED).get_ydata(), expected["distinct_chance"].mean())
    bars = [p.get_height() for p in panels["difference at step 3"].patches if hasattr(p, "get_height")]
    assert np.allclose(bars, expected["label_difference_share"])


def test_one_segment_without_a_label_is_drawn_as_time_and_distinct_views():
    figure = mined.draw_mined_views([1, 2], ANCHORS[:2], MINED[:2], segments=np.zeros(N), times=np.arange(N) * 60.0)
    assert [a.get_title(loc="left") for a in figure.axes] == ["distinct views", "time apart"]
    assert figure.axes[1].get_ylabel() == "minutes"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pool": "recording", "pool_size": 40}, 40),
        ({"pool": "sample", "pool_size": 30}, 30),
        ({"pool": "batch", "batch_size": 8}, 16),
        ({"pool": "batch", "batch_size": 8, "symmetric": False}, 8),
    ],
)
def test_chance_of_distinct_views_knows_how_many_candidates_a_step_has(settings, expected):
    assert candidates_per_step(MYOW(**settings)) == expected
    assert candidates_per_step(BYOL()) is None
