"""`myow.plot`: every function gives a Figure whose words a neuroscientist reads, and that is written as PNG, PDF and SVG."""

import json

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from tiny import SMALL, SMALL_MINING, reach

import myow
from myow import plot
from myow.errors import DataError, FileError, UnknownNameError
from myow.figures.style import save
from myow.training.callbacks import MetricsFile, PairsFile

matplotlib.use("agg")
REC = reach(n_segments=32, length=8)
REC = myow.Recording(
    REC.counts, bin_size=0.1, segments=REC.segments, labels=REC.labels, periods={"direction": 4}, name="tiny"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    told = [MetricsFile(folder / "metrics.jsonl"), PairsFile(folder / "mined.npz", "mined")]
    model = myow.MYOW(**SMALL, **SMALL_MINING).fit(REC, callbacks=told)
    return folder, model


@pytest.fixture(scope="module")
def results():
    parts = REC.split(0.5, 0.25, 0.25, stratify="direction", random_state=0)
    model = myow.PCA(dim=4).fit(parts[0])
    return [myow.evaluate(model, *parts, readout="class", labels=n, draws=2) for n in (1, 2, None)]


def words(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_an_embedding_stands_beside_raw_counts_and_components(run):
    _, model = run
    figure = plot.embedding(model.transform(REC), REC)
    assert isinstance(figure, Figure)
    said = words(figure)
    assert {"embedding", "raw counts", "components", "direction in degrees"} <= set(said)
    assert not any("principal component" in text or "component 1" in text for text in said)
    alone = plot.embedding(myow.embed(model, REC))
    assert "raw counts" not in words(alone)
    assert "direction in degrees" in words(alone)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_figures_are_written_in_three_formats(ending, tmp_path):
    figure = plot.embedding(REC.counts, REC)
    figure.savefig(tmp_path / f"direct.{ending}")
    save(figure, tmp_path / f"whole.{ending}")
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    for name in ("direct", "whole"):
        assert (tmp_path / f"{name}.{ending}").read_bytes().startswith(starts)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_an_embedding_is_drawn_into_axes_of_ones_own():
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot.embedding(REC.counts, REC, ax=left) is figure
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["0°", "90°", "180°", "270°"]
    plot.embedding(REC.counts, color=np.linspace(0, 1, len(REC)), ax=right)
    assert "embedding axis 1" in right.get_xlabel()
    pyplot.close(figure)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UnknownNameError, match="side"):
        plot.embedding(REC.counts, REC, color="side")
    with pytest.raises(DataError, match="belong together"):
        plot.embedding(REC.counts[:5], REC)
    with pytest.raises(FileError, match="not there"):
        plot.mined_views("nowhere.npz", REC)
    with pytest.raises(DataError, match="two or more evaluations"):
        plot.label_curve([{"target": "side", "readout": "class"}])
    with pytest.raises(DataError, match="no classes"):
        plot.confusion({"readout": "continuous"})


def test_evaluations_are_drawn(results):
    said = words(plot.decoding(results[-1]))
    assert {"pca embedding", "raw counts", "components"} <= set(said)
    said = words(plot.confusion(results[-1]))
    assert {"90°", "predicted direction in degrees"} <= set(said)
    assert "0" not in {text for text in said if not text.endswith("°")} - {"0.0"}
    curve = plot.label_curve(results)
    assert {"1", "2", "all", "pca embedding"} <= set(words(curve))
    colours = {line.get_color() for line in curve.axes[0].lines} - {"#767676"}
    assert len(colours) <= 5
    assert words(plot.confusion([[3, 1], [0, 2]], ["wake", "rem"], target="state"))


def test_training_and_mined_views_are_drawn_from_a_run(run):
    folder, _ = run
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for source in (folder, folder / "metrics.jsonl", lines):
        assert "training step" in words(plot.training(source, name="tiny"))
    for source in (folder, folder / "mined.npz"):
        assert "same direction" in words(plot.mined_views(source, REC))


def test_agreement_and_importance_are_drawn(run):
    _, model = run
    found = myow.consistency(model.transform(REC), REC.counts, names=["ours", "raw"])
    assert {"ours", "raw", "predicted embedding"} <= set(words(plot.consistency(found)))
    assert "permutation" in words(plot.importance(myow.importance(model, REC, "direction")))


def test_recordings_and_embeddings_show_themselves_in_notebooks(run):
    _, model = run
    for one in (REC, myow.embed(model, REC)):
        page = one._repr_html_()
        assert "<table>" in page
        assert "direction" in page
        assert "tiny" in page
    odd = myow.Recording(np.ones((3, 2)), bin_size=0.1, name="<script>")
    assert "<script>" not in odd._repr_html_()
