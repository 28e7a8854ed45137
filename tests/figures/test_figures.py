"""The contract of every figure: saved whole and without a warning, nothing cut off or covered, and nonsense refused."""

import warnings

import numpy as np
import pytest
import test_bench_figures as bench
import test_image_figures as image
import test_run_figures as recording
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from test_ablation import ablation
from test_diagnose import diagnose

from myow.errors import DataError
from myow.figures import bench_figures, decoding, embedding, images, mined, style, training

DRAWN = {
    f"{kind}, {name}": draw
    for kind, drawn in {"recording": recording.DRAWN, "images": image.DRAWN, "bench": bench.DRAWN}.items()
    for name, draw in drawn.items()
}


def visible_texts(figure):
    """Every text that a reader sees, with its box: those of axes, keys and the figure itself."""
    renderer = figure.canvas.get_renderer()
    shown = list(figure.texts)
    for axes in (a for a in figure.axes if a.axison and a.name != "3d"):
        shown += [axes.title, axes._left_title, *axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            shown += [t.label1 for t in axis.get_major_ticks() if min(limits) <= t.get_loc() <= max(limits)]
    for legend in figure.legends:
        shown += legend.findobj(Text)
    return [(t.get_text(), t.get_window_extent(renderer)) for t in shown if t.get_visible() and t.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_whole_and_can_be_read(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = DRAWN[name]()
        style.save(figure, tmp_path / "a.png")
    assert isinstance(figure, Figure)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    pixels = imread(tmp_path / "a.png")
    width, height = figure.get_size_inches()
    assert np.allclose(pixels.shape[:2], (height * style.DPI, width * style.DPI), atol=1)
    assert pixels.shape[1] <= 1200
    assert pixels[..., :3].std() > 0.01  # not blank
    with style.context():
        inked = figure.get_tightbbox()
    assert min(inked.x0, inked.y0) >= 0
    assert inked.x1 <= width
    assert inked.y1 <= height
    boxes = visible_texts(figure)
    covered = [
        (one, other)
        for i, (one, a) in enumerate(boxes)
        for other, b in boxes[i + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 4
        if (one, *a.bounds) != (other, *b.bounds)
    ]
    assert not covered


@pytest.mark.parametrize(
    "name",
    ["recording, 2d", "recording, 3d", "recording, mined", "images, mined", "images, map", "bench, side by side"],
)
def test_the_same_input_gives_the_same_pixels(name, tmp_path):
    for file in ("a.png", "b.png"):
        style.save(DRAWN[name](), tmp_path / file)
    assert np.array_equal(imread(tmp_path / "a.png"), imread(tmp_path / "b.png"))


def pairs_of(anchors, found):
    return image.IMAGES, [1], [anchors], [found]


NAN = float("nan")
REFUSED = [
    (embedding.draw_embedding, (np.zeros(3),), {}, r"shape \(3,\)"),
    (embedding.draw_embedding, (np.zeros((0, 3)),), {}, r"shape \(0, 3\)"),
    (embedding.draw_embedding, ([[0.0, np.inf]],), {}, "NaN or infinite"),
    (embedding.draw_embedding, (np.zeros((3, 2)),), {"part": [True]}, "part has shape"),
    (embedding.draw_side_by_side, ({},), {"period": None, "dataset": "toy"}, "no embedding to draw"),
    *(
        (embedding.draw_side_by_side, ({"raw": (z, label)},), {"period": None, "dataset": "toy"}, words)
        for z, label, words in [
            (np.zeros((3, 3)), [0, 0, 0], "two coordinates"),
            ([[0.0, NAN]], [0], "NaN"),
            ([[0.0, 0.0]], [0, 1], "one value a row"),
        ]
    ),
    *(
        (draw, (rows,), {}, words)
        for draw in (training.draw_learning_curves, training.draw_geometry)
        for rows, words in [
            ([], "no metrics"),
            ([{"loss": 1.0}], "no 'step'"),
            ([{"step": 1, "loss": NAN}], "loss is nan at step 1"),
        ]
    ),
    (training.draw_geometry, ([{"step": 1, "loss": 1.0}],), {}, "nothing of the embedding to draw"),
    (diagnose.draw_diagnosis, ({},), {}, "nothing to draw"),
    (diagnose.draw_diagnosis, ({"a": {}},), {}, "nothing to draw"),
    (diagnose.draw_diagnosis, ({"a": {"hubness": ([1, 2], [1.0, 2.0])}},), {}, r"give \(R,\) and \(n, R\)"),
    (diagnose.draw_diagnosis, ({"a": {"hubness": ([1], [[1.0, 2.0]])}},), {}, r"give \(R,\) and \(n, R\)"),
    (diagnose.draw_diagnosis, ({"a": {"hubness": ([1], [[NAN]])}},), {}, "not finite"),
    (ablation.draw_augmentation_curves, ([],), {}, "nothing to draw"),
    (ablation.draw_augmentation_curves, ([ablation.Point(None, 0, True, "all", [0.5])],), {}, "nothing to draw"),
    (
        ablation.draw_augmentation_curves,
        ([ablation.Point("noise", 0, True, "all", [0.5, NAN])],),
        {},
        "all must be finite",
    ),
    (ablation.draw_augmentation_curves, ([ablation.Point("noise", 0, True, "all", [])],), {}, "all must be finite"),
    *(
        (decoding.draw_confusion, (counts, ["a", "b"]), {}, "counts")
        for counts in ([[1, 2]], [[0, 0], [0, 0]], [[1, -1], [0, 1]], [[1, NAN], [0, 1]])
    ),
    (decoding.draw_confusions, ({}, "toy"), {}, "no confusion matrix"),
    *(
        (decoding.draw_confusions, ({"raw": matrix}, "toy"), {}, words)
        for matrix, words in [
            ((["a"], [[1, 2]]), "shape"),
            (([], np.zeros((0, 0))), "shape"),
            ((["a"], [[0]]), "not all zero"),
            ((["a", "b"], [[1, -1], [0, 1]]), "0 or more"),
        ]
    ),
    (decoding.draw_decoding, (recording.evaluation(0.5) | {"accuracy": None},), {}, "holds no accuracy"),
    (decoding.draw_label_curves, ([bench.cell()], bench.WINDOWS, "angle"), {}, "draw one that was run"),
    (bench_figures.draw_dots, ([bench.cell()], bench.CV, "angle", "5"), {}, "draw one that was run"),
    (mined.draw_mined_views, ([1], [[0]], [[-1]]), {"segments": [0, 1], "times": [0, 1]}, "nothing was mined"),
    (mined.draw_mined_images, pairs_of([0], [30]), {"augment": image.as_they_are}, "outside the 30 rows"),
    (mined.draw_mined_images, pairs_of([0], [-1]), {"augment": image.as_they_are}, "nothing was mined"),
    *(
        (images.draw_image_map, (image.IMAGES, z), {}, "the embedding")
        for z in (np.zeros(30), np.zeros((29, 2)), np.full((30, 2), NAN))
    ),
    (images.draw_image_curves, ({},), {}, "no training to draw"),
    (images.draw_image_curves, ({"MYOW": []},), {}, "no training to draw"),
    (images.draw_image_curves, ({"MYOW": [([{"step": 1, "loss": NAN}], 1.0)]},), {}, "loss is nan"),
    (images.draw_image_dots, (image.GROUP, {"MYOW": [image.row(labels=())]}), {}, "no row holds a score"),
]


@pytest.mark.parametrize(("draw", "args", "options", "words"), REFUSED)
def test_what_cannot_be_drawn_is_refused_with_words(draw, args, options, words):
    with pytest.raises(DataError, match=words):
        draw(*args, **options)
