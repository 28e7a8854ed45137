"""Decoding performance of an embedding: what each number is, what may decide it, and what it is compared with."""

import json
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from tiny import reach

from myow import BYOL, LDA, MYOW, PCA, Raw, Recording, Supervised, Untrained, evaluate, open_recording, write_stored
from myow.errors import DataError, MyowError, SettingError, UnknownNameError
from myow.evaluation import decode as decoding
from myow.evaluation import evaluate as evaluation
from myow.methods.base import Learner
from myow.training import rows

BASELINES = ("raw", "raw_common", "pca", "pca_common", "untrained")
SCORES = ("accuracy", "delta_accuracy", "balanced_accuracy", "weighted_f1", "r2")
KEYS = {"dataset", "method", "target", "readout", "rows", "n_train", "n_test", "interval", "majority", *SCORES}
SMALL = {"hidden": (8,), "dim": 5, "predictor": 8, "batch_size": 32, "steps": 6, "random_state": 0, "device": "cpu"}


def session(n_segments=40, length=6, n_units=7, seed=0, kind="counts"):
    """Trials of units tuned to four directions, with labels of every sort."""
    rng = np.random.default_rng(seed)
    segments = np.repeat(np.arange(n_segments), length)
    direction = segments % 4
    counts = rng.poisson(rng.uniform(0.2, 5.0, size=(4, n_units))[direction])
    return Recording(
        counts if kind == "counts" else counts - 2.5,
        bin_size=0.1,
        segments=segments,
        kind=kind,
        name="tiny",
        labels={
            "direction": direction,
            "side": np.array(["left", "right"])[direction % 2],
            "heading": (direction * np.pi / 2 + rng.normal(0, 0.1, len(segments))) % (2 * np.pi),
            "place": np.column_stack([direction, -direction]) + rng.normal(0, 0.3, (len(segments), 2)),
            "moving": np.arange(len(segments)) % length > 2,
        },
        periods={"direction": 4, "heading": 2 * np.pi},
    )


def split(rec):
    part = rec.segments // 4 % 10
    return rec.select(part < 6), rec.select((part == 6) | (part == 7)), rec.select(part > 7)


REC = session()
PARTS = split(REC)


@pytest.fixture(scope="module")
def model():
    return MYOW(**SMALL).fit(PARTS[0])


def changed(part, counts=None, **labels):
    """The same rows with other counts or labels."""
    return Recording(
        part.counts if counts is None else counts,
        bin_size=part.bin_size,
        times=part.times,
        segments=part.segments,
        labels={**part.labels, **labels},
        periods=part.periods,
        kind=part.kind,
        name=part.name,
    )


def rows_of(result):
    return {"embedding": result} | {name: result[name] for name in BASELINES}


# What each figure is.

MEANT = {
    "angle": {"accuracy", "delta_accuracy"},
    "class": {"accuracy", "balanced_accuracy", "weighted_f1"},
    "knn": {"accuracy", "balanced_accuracy", "weighted_f1"},
    "continuous": {"r2"},
}


@pytest.mark.parametrize("labels", [None, 2])
@pytest.mark.parametrize(
    ("target", "readout"),
    [
        ("direction", "angle"),
        ("direction", "class"),
        ("direction", "knn"),
        ("direction", "continuous"),
        ("side", "class"),
        ("side", "knn"),
        ("heading", "angle"),
        ("place", "continuous"),
    ],
)
def test_every_row_has_every_key_and_null_where_a_figure_is_not_meant(model, target, readout, labels):
    result = evaluate(model, *PARTS, target=target, readout=readout, labels=labels, draws=3)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    for name, row in rows_of(result).items():
        assert row.keys() >= KEYS, name
        assert {key for key in SCORES if row[key] is not None} == MEANT[readout]
        assert (row["target"], row["readout"], row["labels"]) == (target, readout, labels)
        assert row["method"] == ("myow" if name == "embedding" else name)
        assert row["n_test"] == len(PARTS[2])
        low, high = row["interval"]
        headline = row["r2"] if readout == "continuous" else row["accuracy"]
        assert low <= headline <= high
        assert (row["spread"] is None) == (labels is None)
        assert row["label_unit"] == (None if labels is None else "segment")
        has_classes = readout in ("class", "knn") or (readout, target) == ("angle", "direction")
        assert (row["majority"] is not None) == has_classes
        assert ("confusion" in row) == has_classes


@pytest.mark.parametrize(
    ("target", "readout"),
    [(None, "class"), ("side", "class"), ("moving", "class"), ("heading", "angle"), ("place", "continuous")],
)
def test_the_readout_that_fits_the_label_is_the_default(model, target, readout):
    result = evaluate(model, *PARTS, target=target)
    assert result["readout"] == readout
    assert result["target"] == target or (target is None and result["target"] == "direction")


def test_training_and_validation_rows_are_counted_and_with_few_labels_those_alone(model):
    assert evaluate(model, *PARTS)["n_train"] == len(PARTS[0]) + len(PARTS[1])
    assert evaluate(model, *PARTS, labels=2, draws=2)["n_train"] == 2 * 4 * 6
    minutes = session(n_segments=1, length=3600, n_units=4)
    flips = np.arange(3600) // 150 % 2
    minutes = changed(minutes, direction=flips)
    thirds = [minutes.select(slice(1200 * i, 1200 * (i + 1))) for i in range(3)]
    result = evaluate(BYOL(**SMALL).fit(thirds[0]), *thirds, labels=1, draws=2)
    assert (result["n_train"], result["label_unit"]) == (2 * 600, "minute")


def test_a_good_embedding_scores_high_and_a_meaningless_one_at_chance(model):
    class Constant(BYOL):
        def transform(self, X):
            return np.random.default_rng(len(X)).normal(size=(len(X), 5)).astype(np.float32)

    class Perfect(BYOL):
        def transform(self, X):
            return np.eye(4, dtype=np.float32)[X.labels["direction"]] + 0.0

    for kind, low, high in ((Constant, 0.05, 0.55), (Perfect, 1.0, 1.0)):
        result = evaluate(kind(**SMALL).fit(PARTS[0]), *PARTS)
        assert low <= result["accuracy"] <= high
        confusion = np.array(result["confusion"]["counts"])
        assert confusion.sum() == len(PARTS[2])
        assert np.trace(confusion) / confusion.sum() == pytest.approx(result["accuracy"])
        assert confusion.sum(axis=1).tolist() == np.bincount(PARTS[2].labels["direction"]).tolist()


def test_majority_is_the_share_of_the_commonest_training_label():
    train = changed(PARTS[0], direction=np.where(PARTS[0].labels["direction"] == 0, 1, PARTS[0].labels["direction"]))
    result = evaluate(
        BYOL(**SMALL).fit(train),
        train,
        changed(PARTS[1], direction=np.maximum(PARTS[1].labels["direction"], 1)),
        changed(PARTS[2], direction=np.maximum(PARTS[2].labels["direction"], 1)),
    )
    assert result["majority"] == pytest.approx(0.5)
    assert result["raw"]["majority"] == result["majority"]


def test_the_mean_and_the_spread_over_draws_are_those_of_the_draws(model, monkeypatch):
    found = []

    def note(*args, **kwargs):
        found.append(score(*args, **kwargs))
        return found[-1]

    score = decoding.score_readout
    monkeypatch.setattr(decoding, "score_readout", note)
    result = evaluate(model, *PARTS, target="direction", labels=1, draws=4)
    assert len(found) == 4 * 6
    accuracy = [scores["accuracy"] for scores in found[:4]]
    assert len(set(accuracy)) > 1
    assert result["accuracy"] == pytest.approx(np.mean(accuracy))
    assert result["spread"] == pytest.approx(np.std(accuracy, ddof=1))
    assert np.array(result["confusion"]["counts"]).sum() == 4 * len(PARTS[2])


def test_the_same_seed_gives_the_same_result_and_another_one_other_draws(model):
    first, again, other = (evaluate(model, *PARTS, labels=1, draws=3, random_state=s) for s in (0, 0, 1))
    assert first == again
    assert first["per_draw"] != other["per_draw"]


# What may decide.


def fitted_by(monkeypatch, *args, **kwargs):
    """Evaluate, and return the strength of every readout with what it predicts for the test rows of segments below 34."""
    found = []
    score = decoding.score_readout

    def note(readout, z, y, *, groups, **rest):
        found.append((readout.strength, readout.predict(z[groups < 34]).tolist()))
        return score(readout, z, y, groups=groups, **rest)

    monkeypatch.setattr(decoding, "score_readout", note)
    result = evaluate(*args, **kwargs)
    monkeypatch.setattr(decoding, "score_readout", score)
    return found, result


@pytest.mark.parametrize("labels", [None, 2])
@pytest.mark.parametrize(
    ("target", "readout"), [("direction", "class"), ("direction", "angle"), ("place", "continuous")]
)
def test_test_rows_decide_nothing(model, monkeypatch, target, readout, labels):
    train, valid, test = PARTS
    late = test.segments >= 34
    assert late.any()
    assert not late.all()
    counts = np.where(late[:, None], 200, test.counts)
    values = test.labels[target]
    other = changed(
        test, counts, **{target: np.where(late.reshape(-1, *[1] * (values.ndim - 1)), values[::-1], values)}
    )
    choice = {"target": target, "readout": readout, "labels": labels, "draws": 2}
    before, plain = fitted_by(monkeypatch, model, train, valid, test, **choice)
    after, altered = fitted_by(monkeypatch, model, train, valid, other, **choice)
    assert before == after
    assert plain["raw"] != altered["raw"]  # the rows that were altered do count


@pytest.mark.parametrize(("target", "readout"), [("direction", "class"), ("place", "continuous"), ("direction", "knn")])
@pytest.mark.parametrize("labels", [1, 3])
def test_labels_that_were_not_drawn_are_never_used(model, monkeypatch, target, readout, labels):
    train, valid, test = PARTS
    drawn = []

    def note(*args, **kwargs):
        drawn.append(draw(*args, **kwargs))
        return drawn[-1]

    draw = decoding.draw_labelled
    monkeypatch.setattr(decoding, "draw_labelled", note)
    choice = {"target": target, "readout": readout, "labels": labels, "draws": 2}
    plain = evaluate(model, train, valid, test, **choice)

    used = np.unique(np.concatenate([d.rows for d in drawn]))
    assert 0 < len(used) < len(train)
    hidden = np.setdiff1d(np.arange(len(train)), used)
    poison = np.array(train.labels[target])
    poison[hidden] = poison[hidden][::-1] if target == "direction" else 1e9
    draws = iter(drawn)
    monkeypatch.setattr(decoding, "draw_labelled", lambda *_, **__: next(draws))
    bad_valid = changed(valid, valid.counts * 0 + 9, **{target: np.zeros_like(valid.labels[target])})
    poisoned = evaluate(model, changed(train, **{target: poison}), bad_valid, test, **choice)
    for row in (plain, poisoned):
        for each in rows_of(row).values():
            each.pop("majority")
    assert plain == poisoned


@pytest.mark.parametrize("labels", [None, 1])
def test_a_label_missing_from_the_training_split_is_named(model, labels):
    train, valid, test = PARTS
    lost = changed(test, direction=np.where(test.labels["direction"] == 2, 7, test.labels["direction"]))
    with pytest.raises(DataError, match="a label missing from the training split: 7 occurs in test rows only"):
        evaluate(model, train, valid, lost, labels=labels)


def test_a_label_missing_from_training_but_not_from_validation_is_named_too(model):
    train, valid, test = PARTS
    lost = changed(valid, side=np.where(valid.labels["direction"] == 2, "up", valid.labels["side"]))
    with pytest.raises(DataError, match="up occurs in validation rows only"):
        evaluate(model, train, lost, test, target="side")


@pytest.mark.parametrize(
    ("choice", "error", "said"),
    [
        ({"target": "direktion"}, UnknownNameError, "did you mean 'direction'"),
        ({"readout": "klass"}, UnknownNameError, "did you mean 'class'"),
        ({"target": "place", "readout": "class"}, DataError, "one class a row"),
        ({"target": "heading", "readout": "knn"}, DataError, "real numbers"),
        ({"target": "moving", "readout": "angle"}, SettingError, "full turn"),
        ({"labels": 0}, SettingError, "1 or more"),
        ({"labels": 99}, DataError, "99 labelled segments per class were asked for"),
        ({"draws": 0, "labels": 1}, SettingError, "draws is 0"),
    ],
)
def test_what_cannot_be_read_out_is_refused(model, choice, error, said):
    with pytest.raises(error, match=said) as caught:
        evaluate(model, *PARTS, **choice)
    assert isinstance(caught.value, MyowError)


def test_parts_that_do_not_fit_are_refused(model):
    train, valid, test = PARTS
    bare = Recording(test.counts, bin_size=0.1, segments=test.segments)
    with pytest.raises(UnknownNameError, match="unknown label 'direction'"):
        evaluate(model, train, valid, bare)
    with pytest.raises(DataError, match="no label to read out"):
        evaluate(model, Recording(train.counts, bin_size=0.1), valid, test)
    with pytest.raises(DataError, match=r"trained on 7 units.* has 8"):
        evaluate(model, *split(session(n_units=8)))
    with pytest.raises(NotFittedError):
        evaluate(BYOL(**SMALL), *PARTS)


# What it is compared with.


def test_every_row_is_given_the_same_context_window(monkeypatch):
    widths = []

    def note(readout, z, *args, **kwargs):
        widths.append(np.shape(z)[1])
        return fit(readout, z, *args, **kwargs)

    fit = decoding.fit_readout
    monkeypatch.setattr(decoding, "fit_readout", note)
    wide = MYOW(**SMALL | {"context": (2, 1)}).fit(PARTS[0])
    result = evaluate(wide, *PARTS)
    assert widths == [5, 4 * 7, 4 * 7, 6, 6, 5]
    assert all(row["context"] == [2, 1] for row in rows_of(result).values())


def test_the_untrained_row_is_the_same_network_before_training():
    start = MYOW(**SMALL, unit_norm=False).initialise(PARTS[0])
    result = evaluate(start, *PARTS, readout="class")
    same = {k: v for k, v in result["untrained"].items() if k != "method"}
    assert same == {k: result[k] for k in same}
    trained = evaluate(MYOW(**SMALL | {"steps": 40, "learning_rate": 0.05}).fit(PARTS[0]), *PARTS, readout="class")
    assert trained["untrained"] == result["untrained"]
    assert trained["confusion"] != result["confusion"]


def test_without_a_seed_the_untrained_row_still_starts_where_the_model_did():
    model = MYOW(**SMALL | {"random_state": None}).fit(PARTS[0])
    assert evaluate(model, *PARTS)["untrained"] == evaluate(model, *PARTS)["untrained"]
    assert model.random_state is None


def test_components_and_untrained_see_what_the_encoder_saw(model, monkeypatch):
    learnt_from = []

    def noted(kind):
        class Noted(kind):
            def fit(self, X, *args, **kwargs):
                learnt_from.append((kind, X))
                return super().fit(X, *args, **kwargs)

        monkeypatch.setattr(evaluation, kind.__name__, Noted)

    for kind in (PCA, Raw, Untrained):
        noted(kind)
    few, all_rows = evaluate(model, *PARTS), evaluate(model, *PARTS, seen=REC)
    assert {kind for kind, _ in learnt_from} == {PCA, Raw, Untrained}
    assert all(seen is expected for (_, seen), expected in zip(learnt_from, [PARTS[0]] * 3 + [REC] * 3, strict=True))
    assert (few["rows"], all_rows["rows"]) == ("train", "all")
    assert few["raw"] == all_rows["raw"] | {"rows": "train"}


@pytest.mark.parametrize("kind", [LDA, Supervised])
def test_what_learns_from_labels_learns_anew_for_every_draw_and_from_no_other_label(kind, monkeypatch):
    train, valid, test = PARTS
    settings = {k: v for k, v in SMALL.items() if k in kind().get_params()}
    learner = kind(**settings).fit(train, train.labels["direction"])
    used = []

    def fit(self, X, y=None, *, labelled=None, **rest):
        used.append(labelled)
        return real(self, X, y, labelled=labelled, **rest)

    real = kind.fit
    monkeypatch.setattr(kind, "fit", fit)
    result = evaluate(learner, train, valid, test, labels=2, draws=3)
    assert len(used) == 3
    assert all(len(rows) == result["n_train"] == 2 * 4 * 6 for rows in used)
    assert 0.25 < result["accuracy"] <= 1


def test_a_decoder_decides_itself_and_is_judged_by_every_figure():
    train, valid, test = PARTS
    decoder = LDA().fit(train, train.labels["direction"])
    result = evaluate(decoder, train, valid, test)
    predicted = decoder.predict(test)
    assert result["accuracy"] == pytest.approx((predicted == test.labels["direction"]).mean())
    assert result["n_train"] == len(train)
    angle = evaluate(decoder, train, valid, test, readout="angle")
    assert angle["accuracy"] == pytest.approx(result["accuracy"])  # a wrong direction is off by a quarter turn at least
    assert angle["untrained"]["accuracy"] > 0


def test_signals_are_compared_too():
    parts = split(session(kind="continuous"))
    result = evaluate(MYOW(**SMALL).fit(parts[0]), *parts)
    assert result["raw"]["accuracy"] > 0.3
    json.dumps(result, allow_nan=False)


def test_names_and_truth_values_are_classes(model):
    result = evaluate(model, *PARTS, target="side")
    assert result["confusion"]["classes"] == ["left", "right"]
    assert evaluate(model, *PARTS, target="moving")["confusion"]["classes"] == [False, True]
    train, valid, test = (changed(p, code=p.labels["direction"].astype(float)) for p in PARTS)
    assert evaluate(model, train, valid, test, target="code", readout="class")["majority"] == 0.25


# Of more rows than fit into memory as floats.

LARGE = 100  # rows, far fewer than there are here


@pytest.fixture
def few_fitted(monkeypatch):
    monkeypatch.setattr(rows, "FITTED_ROWS", LARGE)


@pytest.fixture
def most_at_once(monkeypatch):
    """Embed no more than 32 rows at a time, and note how many rows are embedded in one piece."""
    monkeypatch.setattr(Learner, "at_once", 32)
    seen = []

    def transform(self, X):
        seen.append(len(X))
        return real(self, X)

    real = Learner.transform
    monkeypatch.setattr(Learner, "transform", transform)
    return seen


@pytest.mark.parametrize(
    ("target", "readout"),
    [("direction", "class"), ("direction", "knn"), ("heading", "angle"), ("place", "continuous")],
)
def test_of_many_rows_some_are_fitted_all_are_scored_and_it_is_said(few_fitted, most_at_once, target, readout):
    parts = split(session(n_segments=400, length=6))
    total = len(parts[0]) + len(parts[1])
    model = MYOW(**SMALL).fit(parts[0])
    result = evaluate(model, *parts, target=target, readout=readout)
    assert max(most_at_once, default=0) <= LARGE
    for row in rows_of(result).values():
        assert LARGE <= row["n_train"] < LARGE + 10  # one row of each class may be added to each part
        assert row["readout_rows"] == {"used": row["n_train"], "of": total}
        assert row["n_test"] == len(parts[2])
        if "confusion" in row:
            assert np.array(row["confusion"]["counts"]).sum() == len(parts[2])
    assert result["pca_rows"] == {"used": LARGE, "of": len(parts[0])}
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["raw"]["r2" if readout == "continuous" else "accuracy"] > 0.3


def test_the_rows_are_spread_evenly_and_keep_their_context_and_every_class(few_fitted, monkeypatch):
    whole = session(n_segments=1, length=2400)
    lonely = np.zeros(2400, dtype=int)
    lonely[[1, 1201, 2001]] = 1
    whole = changed(whole, direction=lonely)
    parts = [whole.select(slice(a, b)) for a, b in ((0, 1200), (1200, 2000), (2000, 2400))]
    model = MYOW(**SMALL | {"context": (2, 1)}).fit(parts[0])
    fitted = {}

    def note(readout, z, y, z_valid, y_valid, **rest):
        fitted.setdefault("raw" if z.shape[1] == 4 * 7 else z.shape[1], (z, y))
        return fit(readout, z, y, z_valid, y_valid, **rest)

    fit = decoding.fit_readout
    monkeypatch.setattr(decoding, "fit_readout", note)
    result = evaluate(model, *parts, target="direction")
    kept = np.union1d(np.arange(60) * 20, [1])
    assert np.array_equal(fitted["raw"][0], Raw(context=(2, 1)).fit(parts[0]).transform(parts[0])[kept])
    assert all(np.array_equal(y, parts[0].labels["direction"][kept]) for _, y in fitted.values())
    assert result["n_test"] == 400


@pytest.mark.parametrize("stored", [False, True])
def test_few_labels_of_many_rows_are_read_out_of_those_rows_alone(few_fitted, most_at_once, tmp_path, stored):
    rec = session(n_segments=400, length=6)
    if stored:
        path = tmp_path / "rec.h5"
        labels = {name: rec.labels[name] for name in ("direction", "place")}
        periods = {"direction": 4}
        beside = {"segments": rec.segments, "labels": labels, "periods": periods}
        write_stored(path, [rec.counts], n_bins=len(rec), bin_size=0.1, **beside)
        rec = open_recording(path)
    parts = split(rec)
    model = MYOW(**SMALL).fit(parts[0])
    few = evaluate(model, *parts, target="direction", labels=3, draws=2)
    assert few["n_train"] == 3 * 4 * 6
    assert "readout_rows" not in few
    more = evaluate(model, *parts, target="direction", labels=10, draws=2)
    assert LARGE <= more["n_train"] < LARGE + 4
    assert more["readout_rows"] == {"used": more["n_train"], "of": 10 * 4 * 6}
    assert max(most_at_once, default=0) <= LARGE
    if stored:
        held = [Recording(np.asarray(p.counts), bin_size=0.1, segments=p.segments, labels=p.labels) for p in parts]
        assert [few[k] for k in SCORES] == [
            evaluate(model, *held, target="direction", labels=3, draws=2)[k] for k in SCORES
        ]
        rec.close()


def test_at_the_limit_nothing_changes(model, monkeypatch):
    before = evaluate(model, *PARTS)
    assert not {"readout_rows", "pca_rows"} & before.keys()
    monkeypatch.setattr(rows, "FITTED_ROWS", len(PARTS[0]) + len(PARTS[1]))
    assert evaluate(model, *PARTS) == before
    monkeypatch.setattr(rows, "FITTED_ROWS", len(PARTS[0]) + len(PARTS[1]) - 1)
    after = evaluate(model, *PARTS)
    assert "pca_rows" not in after
    assert after["readout_rows"] == {"used": len(PARTS[0]) + len(PARTS[1]) - 1, "of": len(PARTS[0]) + len(PARTS[1])}


def test_wide_windows_of_many_units_take_fewer_rows(monkeypatch):
    monkeypatch.setattr(rows, "FITTED_VALUES", 50 * 4 * 7)
    wide = MYOW(**SMALL | {"context": (2, 1)}).fit(PARTS[0])
    assert 50 <= evaluate(wide, *PARTS)["readout_rows"]["used"] < 60


def test_components_of_many_rows_are_those_of_evenly_spaced_ones(few_fitted):
    rec = session(n_segments=400, length=6)
    some = rec.select(np.arange(LARGE) * len(rec) // LARGE)
    # What is common to all rows, mean and scale, is learnt from all of them: signals that are not scaled have neither.
    plain = {"input": "none", "scale": "none", "dim": 3}
    assert np.allclose(PCA(**plain).fit(rec).transform(rec), PCA(**plain).fit(some).transform(rec), atol=1e-5)


def test_classes_of_few_test_segments_are_named():
    recording = reach(n_segments=48)
    model = MYOW(**SMALL).fit(recording)
    few, many = recording.select(slice(0, 4 * 12)), recording.select(slice(0, 12 * 12))  # of four directions
    with pytest.warns(UserWarning, match=r"4 of 4 classes of direction have fewer than 3 test segments \(0: 1, 1: 1"):
        evaluate(model, recording, recording, few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model, recording, recording, many)
