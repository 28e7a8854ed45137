import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myow.errors import DataError
from myow.evaluation.bench_summary import METRICS, Cell, Track, failures, summarise
from myow.evaluation.statistics import adjust, compare, corrected_interval

METHODS = [
    "myow",
    "unmined",
    "byol",
    "simclr",
    "rp",
    "ts",
    "autoencoder",
    "pivae",
    "supervised",
    "raw",
    "pca",
    "fa",
    "poisson-nb",
    "lda",
    "untrained",
]
CV = Track("cv", (0, 0), "train")
RELEASED = Track("released", (0, 0), "train")


def score(**given):
    """One entry of a row's scores; what is not given is null."""
    empty = dict.fromkeys(
        (*METRICS, "control", "label_unit", "interval", "majority", "n_classes", "per_draw", "confusion")
    )
    return empty | {"readout": "class", "labels": "all", "n_train": 90, "n_test": 20} | given


def row(accuracy=0.7, *, fold=0, seed=0, scores=None, **given):
    fields = {
        "dataset": "chewie-1", "checksum": "abc", "method": "myow", "settings": {"k": 5}, "uses_labels": False,
        "protocol": "cv", "fold": fold, "folds": 5, "seed": seed, "context": [0, 0], "rows": "train",
        "target": "direction", "period": 8.0, "n_train": 70, "n_valid": 10, "n_test": 20, "version": "0", "torch": "2",
        "machine": "m", "seconds": 1.0, "readout_seconds": 1.0, "peak_memory_mb": 1.0, "error": None,
        "scores": [score(accuracy=accuracy)] if scores is None else scores,
    } | given  # fmt: skip
    key = "/".join(str(fields[k]) for k in ("dataset", "method", "protocol", "context", "rows", "fold", "seed"))
    return {"key": key} | fields


def cv(method, values, folds=5, **given):
    return [row(v, method=method, fold=i % folds, seed=i // folds, **given) for i, v in enumerate(values)]


def drawn(seed, mean, n=10):
    return np.round(np.random.default_rng(seed).normal(mean, 0.02, size=n), 4).tolist()


def only(cells, **wanted):
    found = [c for c in cells if all(getattr(c, k) == v for k, v in wanted.items())]
    assert len(found) == 1, wanted
    return found[0]


def test_a_cell_is_the_mean_over_folds_and_seeds_with_the_corrected_interval():
    values = drawn(0, 0.7)
    scores = [[score(accuracy=v, majority=0.1 + v, n_classes=8, interval=[0.0, 1.0])] for v in values]
    [cell] = summarise([row(fold=i % 5, seed=i // 5, scores=s) for i, s in enumerate(scores)])
    assert cell == Cell(
        track=CV, dataset="chewie-1", method="myow", readout="class", labels="all", metric="accuracy", control=None,
        label_unit=None, mean=np.mean(values), low=corrected_interval(values, 20 / 80)[0],
        high=corrected_interval(values, 20 / 80)[1], deviation=np.std(values, ddof=1), n=10, uses_labels=False,
        majority=pytest.approx(0.1 + np.mean(values)), n_classes=8, against={},
    )  # fmt: skip


def test_the_share_is_of_rows_and_the_mean_over_fits():
    rows = cv("myow", [0.6, 0.7, 0.8])
    rows[2] |= {"n_train": 40, "n_valid": 0, "n_test": 30}
    assert summarise(rows)[0].low == corrected_interval([0.6, 0.7, 0.8], (0.25 + 0.25 + 0.75) / 3)[0]


def test_every_figure_that_is_not_null_has_a_cell():
    scores = [
        score(accuracy=0.7, balanced_accuracy=0.6, weighted_f1=0.65),
        score(readout="angle", accuracy=0.0, delta_accuracy=0.75),
        score(readout="continuous", r2=-0.5),
    ]
    cells = summarise([row(scores=scores)])
    assert {(c.readout, c.metric): c.mean for c in cells} == {
        ("class", "accuracy"): 0.7, ("class", "balanced_accuracy"): 0.6, ("class", "weighted_f1"): 0.65,
        ("angle", "accuracy"): 0.0, ("angle", "delta_accuracy"): 0.75, ("continuous", "r2"): -0.5,
    }  # fmt: skip


def test_on_one_split_the_interval_is_the_mean_of_the_headlines_own():
    one = [
        score(accuracy=0.7, weighted_f1=0.6, interval=[0.5, 0.8]),
        score(readout="continuous", r2=0.3, interval=[0.1, 0.4]),
    ]
    other = [
        score(accuracy=0.8, weighted_f1=0.7, interval=[0.7, 0.9]),
        score(readout="continuous", r2=0.5, interval=None),
    ]
    rows = [row(protocol="released", folds=1, seed=s, scores=scores) for s, scores in enumerate([one, other])]
    rows += [r | {"method": "raw", "key": "raw" + r["key"]} for r in rows]
    cells = [c for c in summarise(rows) if c.method == "myow"]
    accuracy, f1, r2 = (only(cells, metric=m) for m in ("accuracy", "weighted_f1", "r2"))
    assert (accuracy.mean, accuracy.low, accuracy.high) == pytest.approx((0.75, 0.6, 0.85))
    assert accuracy.deviation == pytest.approx(0.1 / np.sqrt(2))
    assert (f1.mean, f1.low, f1.high) == (pytest.approx(0.65), None, None)
    assert (r2.mean, r2.low, r2.high) == pytest.approx((0.4, 0.1, 0.4))
    assert all(c.against == {} and c.track == RELEASED and c.n == 2 for c in cells)


def test_a_single_fit_has_neither_deviation_nor_comparison():
    own = [score(accuracy=0.7, interval=[0.6, 0.75])]
    cells = summarise([row(scores=own), row(method="raw", scores=own)])
    assert [(c.low, c.high, c.deviation, c.against, c.n) for c in cells] == [(0.6, 0.75, None, {}, 1)] * 2


def test_methods_are_compared_on_the_splits_that_both_have():
    myow, raw = drawn(0, 0.75), drawn(1, 0.70)
    rows = cv("myow", myow) + cv("raw", raw)
    rows = [r for r in rows if (r["method"], r["fold"], r["seed"]) not in {("myow", 0, 0), ("raw", 4, 1)}]
    np.random.default_rng(0).shuffle(rows)  # pairs are found by fold and seed, not by place
    cells = summarise(rows)
    found = only(cells, method="myow").against["raw"]
    expected = compare(np.array(myow[1:9]) - raw[1:9], 20 / 80)
    assert (found.n, found.verdict) == (8, "better")
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )
    assert only(cells, method="myow").n == 9
    assert only(cells, method="raw").against == {}


def test_myow_stands_against_byol_and_itself_without_mining_and_all_others_against_raw_counts():
    values = {m: drawn(i, 0.7 + 0.03 * i) for i, m in enumerate(["myow", "byol", "raw", "lda", "unmined"])}
    cells = summarise([r for m, v in values.items() for r in cv(m, v)])
    assert {c.method: sorted(c.against) for c in cells} == {
        "myow": ["byol", "raw", "unmined"], "byol": ["raw"], "raw": [], "lda": ["raw"], "unmined": ["raw"],
    }  # fmt: skip
    pairs = [
        ("myow", "raw"),
        ("myow", "byol"),
        ("byol", "raw"),
        ("lda", "raw"),
        ("myow", "unmined"),
        ("unmined", "raw"),
    ]
    expected = adjust([compare(np.subtract(values[a], values[b]), 0.25) for a, b in pairs])
    found = [only(cells, method=a).against[b] for a, b in pairs]
    assert [c.p_adjusted for c in found] == pytest.approx([c.p_adjusted for c in expected])
    assert [c.verdict for c in found] == [c.verdict for c in expected]
    assert len({c.verdict for c in found}) > 1


def test_a_column_is_the_family_and_nothing_else():
    def recording(name, seed):
        rows = [cv(m, drawn(seed + i, 0.7 + 0.03 * i), dataset=name) for i, m in enumerate(["raw", "byol"])]
        return [r for part in rows for r in part]

    def p(rows, **wanted):
        found = only(summarise(rows), dataset="chewie-1", method="byol", **wanted).against["raw"]
        return found.p_adjusted / found.p

    one, two = recording("chewie-1", 0), recording("mihi-1", 5)
    assert p(one) == 1
    third = cv("simclr", drawn(9, 0.75), dataset="chewie-1")
    column = [found.against["raw"] for found in summarise(one + third) if found.method != "raw"]
    assert len(column) == 2
    assert [c.p_adjusted for c in column] == pytest.approx(
        [c.p_adjusted for c in adjust([dataclasses.replace(c, p_adjusted=c.p) for c in column])]
    )
    assert max(c.p_adjusted / c.p for c in column) == 2
    # Another recording is another column.
    assert p(one + two) == 1
    # And so is another track, readout, number of labels, metric or control.
    other_track = [r | {"rows": "all", "key": "all" + r["key"]} for r in one]
    assert p(one + other_track, track=CV) == 1
    for change in ({"readout": "knn"}, {"labels": "5"}, {"control": "permuted"}):
        more = [r | {"scores": [*r["scores"], r["scores"][0] | change]} for r in one]
        wanted = {"readout": "class", "labels": "all", "control": None}
        assert p(more, **wanted) == 1
        assert p(more, **(wanted | change)) == 1
    more = [r | {"scores": [r["scores"][0] | {"weighted_f1": r["scores"][0]["accuracy"]}]} for r in one]
    assert p(more, metric="accuracy") == 1


def test_tracks_are_never_mixed():
    tracks = [("cv", [0, 0], "train"), ("cv", [2, 2], "train"), ("cv", [0, 0], "all"), ("released", [0, 0], "train")]
    rows = [
        row(0.1 * (i + 1), protocol=p, context=c, rows=r, settings={"context": c}) for i, (p, c, r) in enumerate(tracks)
    ]
    cells = summarise(rows)
    assert {c.track: c.mean for c in cells} == {
        Track(p, tuple(c), r): 0.1 * (i + 1) for i, (p, c, r) in enumerate(tracks)
    }
    assert [c.track for c in cells] == sorted(c.track for c in cells)


def test_tracks_in_words():
    assert CV.describe().startswith("single bins, encoder trained on training rows, cross-validation")
    assert Track("released", (2, 1), "all").describe() == (
        "windows of 4 bins (2 before, 1 after), encoder trained on all rows, those of the test included, the released split"
    )
    assert (
        len({Track(*t).describe() for t in itertools.product(["cv", "released"], [(0, 0), (2, 2)], ["train", "all"])})
        == 8
    )


def test_the_last_line_of_a_key_counts():
    rows = [row(0.1, fold=0), row(0.6, fold=1), row(0.8, fold=0)]
    assert summarise(rows)[0].mean == pytest.approx(0.7)
    assert summarise(rows)[0].n == 2


def test_failed_fits_give_no_cell_and_are_listed():
    broken = {"error": "TrainingError: the loss is no number", "scores": []}
    rows = [row(0.7), row(fold=1) | broken, row(method="rp") | broken, row(fold=2) | broken, row(0.9, fold=2)]
    rows += [row(0.2, fold=3), row(fold=3) | broken]  # the last line counts, even if it is the worse one
    cells = summarise(rows)
    assert [(c.method, c.n, c.mean) for c in cells] == [("myow", 2, pytest.approx(0.8))]
    assert [(r["method"], r["fold"]) for r in failures(rows)] == [("myow", 1), ("rp", 0), ("myow", 3)]
    assert failures([row()]) == []
    assert summarise([]) == []


def test_cells_come_in_order():
    rng = np.random.default_rng(0)
    scores = [score(accuracy=0.5, weighted_f1=0.4, labels=n) for n in ("10", "all", "2", "1")]
    scores += [score(accuracy=0.1, control="permuted"), score(readout="angle", accuracy=0.5)]
    methods = [*rng.permutation(METHODS).tolist(), "zeta", "alpha"]
    rows = [row(dataset=d, method=m, scores=scores) for d in ("mihi-1", "chewie-1") for m in methods]
    cells = summarise(rows)
    first = [c for c in cells if (c.readout, c.labels, c.metric, c.control) == ("class", "all", "accuracy", None)]
    known = [*METHODS, "alpha", "zeta"]
    assert [(c.dataset, c.method) for c in first] == [(d, m) for d in ("mihi-1", "chewie-1") for m in known]
    tables = [(c.readout, c.labels, c.control, c.metric) for c in cells[:: len(known) * 2]]
    assert tables == [
        ("angle", "all", None, "accuracy"),
        ("class", "all", None, "accuracy"),
        ("class", "all", None, "weighted_f1"),
        ("class", "all", "permuted", "accuracy"),
        *[("class", n, None, m) for n in ("1", "2", "10") for m in ("accuracy", "weighted_f1")],
    ]


def test_what_is_known_of_a_method_is_passed_on():
    few = [score(accuracy=0.4, labels="5", label_unit="segment", per_draw=[0.3, 0.5])]
    cell = summarise([row(method="lda", uses_labels=True, scores=few)])[0]
    assert (cell.uses_labels, cell.label_unit, cell.labels, cell.majority, cell.n_classes) == (
        True,
        "segment",
        "5",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"k": 3}}, r"rows of myow on chewie-1 \(single bins, .*\) have settings {'k': 5} and {'k': 3}"),
        ({"checksum": "def"}, "chewie-1 .* checksum abc and def"),
        ({"target": "speed"}, "chewie-1 .* target direction and speed"),
        ({"period": None}, r"chewie-1 .* period 8\.0 and None"),
        ({"folds": 10}, "chewie-1 .* folds 5 and 10"),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(change, words):
    with pytest.raises(DataError, match=words):
        summarise([row(fold=0), row(fold=1, **change)])
    summarise([row(fold=0), row(fold=1, error="failed", **change)])  # what failed is averaged with nothing
    summarise([row(fold=0), row(fold=1, dataset="mihi-1", **change)])  # each recording may have its own
    summarise([row(fold=0), row(fold=1, context=[2, 2], **change)])


def test_methods_of_one_recording_are_compared_on_the_same_content():
    summarise([row(), row(method="raw", settings={})])
    with pytest.raises(DataError, match="checksum abc and def"):
        summarise([row(), row(method="raw", checksum="def")])


def test_a_fit_that_is_there_twice_is_refused():
    with pytest.raises(
        DataError, match=r"fold 1 of seed 2 of myow on chewie-1 is there twice \(rows a and b, readout class"
    ):
        summarise([row(fold=1, seed=2) | {"key": "a"}, row(fold=1, seed=2) | {"key": "b"}])
    with pytest.raises(DataError, match="is there twice"):
        summarise([row(scores=[score(accuracy=0.5), score(accuracy=0.6)])])


def test_damaged_rows_are_named():
    short = row()
    del short["n_valid"]
    with pytest.raises(DataError, match=f"row {short['key']} has no 'n_valid'".replace("[", r"\[").replace("]", r"\]")):
        summarise([short])
    with pytest.raises(DataError, match="has no 'r2'"):
        summarise([row(scores=[{k: v for k, v in score(accuracy=0.5).items() if k != "r2"}])])
    with pytest.raises(DataError, match="accuracy nan; a figure that is not meant must be null"):
        summarise([row(float("nan"))])
    for take in (summarise, failures):
        with pytest.raises(DataError, match="row 2 has no 'key'"):
            take([row(), {"error": None}])


values = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=4, max_size=12)


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_figure(values, random):
    rows = [r for m in ("myow", "byol", "raw") for r in cv(m, np.roll(values, len(m)).tolist())]
    shuffled = random.sample(rows, len(rows))
    for one, other in zip(summarise(rows), summarise(shuffled), strict=True):
        assert (one.method, one.n) == (other.method, other.n)
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))
        assert {k: v.n for k, v in one.against.items()} == {k: v.n for k, v in other.against.items()}
        for name, found in one.against.items():
            assert found.p_adjusted == pytest.approx(other.against[name].p_adjusted, abs=1e-9)


def test_cells_can_be_written_as_json():
    cells = summarise(cv("myow", drawn(0, 0.7)) + cv("raw", drawn(1, 0.7)))
    written = json.loads(json.dumps([dataclasses.asdict(c) for c in cells]))
    assert written[0]["against"]["raw"]["verdict"] == cells[0].against["raw"].verdict
