"""A readout that learns from unlabelled segments too, and the choice between logistic regression and LDA."""

import json

import numpy as np
import pytest
from command import SMALL, myow, trials, write
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from myow import LDA, PCA, Recording, evaluate
from myow.data.splits import Labelled, draw_labelled
from myow.errors import DataError, SettingError, UnknownNameError
from myow.evaluation import decode as decoding
from myow.evaluation.decode import decode
from myow.evaluation.readouts import (
    READOUTS,
    fit_readout,
    fit_readout_few,
    fit_readout_semi_supervised,
    parse_reading,
    reading_name,
)
from myow.evaluation.statistics import name_segments
from myow.training import rows


def blobs(n_segments=60, n_classes=3, seed=0, apart=2.0, within=0.7, own=0.5, lengths=(1, 12), dim=4):
    """Segments of unequal length: a mean a class, an offset that a segment's rows share, and noise of each row."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_segments) % n_classes
    length = rng.integers(*lengths, size=n_segments, endpoint=True)
    means = apart * np.random.default_rng(99).normal(size=(n_classes, dim))
    offsets = means[y] + own * rng.normal(size=(n_segments, dim))
    segments = np.repeat(np.arange(n_segments), length)
    x = offsets[segments] + within * rng.normal(size=(len(segments), dim))
    return x, segments, y


def only(y, n_labelled):
    """Classes of the first segments; -1 for the others."""
    return np.where(np.arange(len(y)) < n_labelled, y, -1)


def by_loops(x, segments, start, rounds):
    """The same mixture, segment by segment, with densities of SciPy and the shrinkage of scikit-learn."""
    n, k = start.max() + 1, len(np.unique(segments))
    share = [[float(start[s] == c) for c in range(n)] for s in range(k)]
    frequency, rho = [1 / n] * n, 1.0
    floor = 1e-6 * x.var(axis=0).mean()
    for turn in range(rounds):
        members = [i for i in range(len(x)) if turn or start[segments[i]] >= 0]
        weight = np.array([share[segments[i]] for i in range(len(x))])
        means = [sum(weight[i, c] * x[i] for i in members) / sum(weight[i, c] for i in members) for c in range(n)]
        left = np.array([x[i] - sum(weight[i, c] * means[c] for c in range(n)) for i in range(len(x))])
        scatter = sum(
            weight[i, c] * np.outer(x[i] - means[c], x[i] - means[c]) for i in members for c in range(n)
        ) / len(members)
        a = LedoitWolf(assume_centered=True).fit(left[members]).shrinkage_
        cov = (
            (1 - a) * scatter
            + a * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
            + floor * np.eye(len(scatter))
        )
        if turn:
            inner = left @ np.linalg.inv(cov) @ left.T
            same = segments[:, None] == segments[None, :]
            pairs = inner[same & ~np.eye(len(x), dtype=bool)]
            rho = min(1.0, max(0.0, pairs.mean() / np.diag(inner).mean()))
        new = []
        for s in range(k):
            own = np.flatnonzero(segments == s)
            power = 1 / (1 + (len(own) - 1) * rho)
            density = [multivariate_normal(means[c], cov).logpdf(x[own]).sum() * power for c in range(n)]
            odds = [frequency[c] * np.exp(density[c] - max(density)) for c in range(n)]
            new.append(share[s] if start[s] >= 0 else [o / sum(odds) for o in odds])
        share = new
        frequency = [(3 + sum(r[c] for r in share)) / (3 * n + k) for c in range(n)]
    return np.array(share)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_mixture_is_the_one_that_is_written_out_in_loops(rounds):
    x, segments, y = blobs(apart=0.8, n_segments=40)
    start = only(y, 6)
    found = name_segments(x, segments, start[segments], rounds=rounds)
    assert ((found > 0.01) & (found < 0.99)).sum() > 5
    np.testing.assert_allclose(found, by_loops(x, segments, start, rounds), atol=1e-8)


def test_of_single_rows_it_is_the_tied_mixture_of_scikit_learn():
    # Many rows of equally frequent classes leave nothing to shrinkage and to what is known of frequencies.
    x, segments, y = blobs(n_segments=3000, apart=1.5, lengths=(1, 1), dim=2)
    start = only(y, 30)
    found = name_segments(x, segments, start, rounds=200)
    means = np.stack([x[start == k].mean(axis=0) for k in range(3)])
    other = GaussianMixture(3, covariance_type="tied", means_init=means, tol=1e-9, max_iter=500).fit(x)
    np.testing.assert_allclose(found[30:], other.predict_proba(x)[30:], atol=0.03)


def test_rows_that_are_copies_count_as_one():
    # Shrinkage alone sees more rows, of which so many leave little to it.
    x, _, y = blobs(n_segments=900, apart=0.7, lengths=(1, 1), dim=2)
    start = only(y, 90)
    once = name_segments(x, np.arange(900), start)
    copied = name_segments(np.repeat(x, 20, axis=0), np.repeat(np.arange(900), 20), np.repeat(start, 20))
    assert ((once > 0.05) & (once < 0.95)).mean() > 0.3
    np.testing.assert_allclose(copied, once, atol=0.1)


def test_independent_rows_add_up():
    # A row says next to nothing, two hundred name the class.
    x, segments, y = blobs(n_segments=60, apart=0.4, own=0.0, within=1.0, lengths=(200, 200))
    found = name_segments(x, segments, only(y, 3)[segments])
    assert (found.argmax(axis=1) == y).all()
    assert found.max(axis=1).min() > 0.99


def test_numbers_of_segments_may_be_any_and_units_of_features_change_nothing():
    x, segments, y = blobs()
    start = only(y, 6)[segments]
    found = name_segments(x, segments, start)
    np.testing.assert_array_equal(name_segments(x, 7 * segments + 3, start), found)
    np.testing.assert_allclose(name_segments(1e4 * x - 1e6, segments, start), found, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(x))
    np.testing.assert_allclose(name_segments(x[order], segments[order], start[order]), found, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: blobs(lengths=(1, 1)),
        lambda: blobs(lengths=(1, 4000), n_segments=12, apart=100.0),
        lambda: blobs(within=0.0, own=0.0),
        lambda: blobs(n_segments=4, lengths=(1, 1)),
        lambda: blobs(dim=1),
        lambda: (np.ones((30, 3)), np.arange(30) // 2, np.arange(15) % 3),
    ],
)
@pytest.mark.filterwarnings("error")
def test_responsibilities_are_finite_whatever_the_features(make):
    x, segments, y = make()
    found = name_segments(x, segments, only(y, 3)[segments])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found[:3], np.eye(3))


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ([-1, -1, -1, -1], "no labelled row"),
        ([0, -1, 2, -1], "no labelled row"),
        ([0, 1, -1, -1], "two classes"),
        ([0, 1], "give one of each a row"),
    ],
)
def test_labels_that_name_no_mixture_are_refused(classes, text):
    with pytest.raises(DataError, match=text):
        name_segments(np.eye(4), [0, 0, 1, 1], classes)


def drawn(y, segments, n, seed=0):
    bins = np.concatenate([np.arange(c) for c in np.unique(segments, return_counts=True)[1]])
    return draw_labelled(y, segments, n, np.random.default_rng(seed), bins=bins, bin_size=0.1)


def many(seed=0, n_segments=160):
    """Embedding of 30 dimensions in which one segment a class misleads, and what all of them show is plain."""
    x, segments, y = blobs(
        n_segments=n_segments, n_classes=8, seed=seed, apart=1.3, own=1.0, within=1.0, lengths=(2, 9), dim=6
    )
    mix = np.random.default_rng(5).normal(size=(6, 30))
    return x @ mix, segments, y[segments]


@pytest.mark.parametrize("classifier", ["logistic", "lda", "auto"])
def test_unlabelled_segments_help_and_their_labels_are_never_read(classifier):
    z, segments, y = many()
    z_test, _, y_test = many(seed=1)
    plain, semi = [], []
    for seed in range(4):
        labelled = drawn(y, segments, 1, seed)
        few = fit_readout_few("class", z, y, labelled, classifier=classifier)
        reader = fit_readout_semi_supervised(z, y, segments, labelled, classifier=classifier)
        plain.append((few.predict(z_test) == y_test).mean())
        semi.append((reader.predict(z_test) == y_test).mean())
        hidden = np.setdiff1d(np.arange(len(y)), labelled.rows)
        poison = y.astype(float)
        poison[hidden] = np.nan
        poisoned = fit_readout_semi_supervised(z, poison, segments, labelled, classifier=classifier)
        np.testing.assert_array_equal(poisoned.predict(z_test), reader.predict(z_test))
        assert reader.n_train_ == len(z)
    assert np.mean(semi) > np.mean(plain) + 0.05


@pytest.mark.parametrize("classifier", ["logistic", "lda", "auto"])
def test_where_nothing_is_unlabelled_it_is_the_plain_readout(classifier):
    z, segments, y = many(n_segments=32)
    every = drawn(y, segments, 4)
    assert len(every.rows) == len(z)
    few = fit_readout_few("class", z, y, every, classifier=classifier)
    semi = fit_readout_semi_supervised(z, y, segments, every, classifier=classifier)
    np.testing.assert_array_equal(semi.predict(z), few.predict(z))
    assert semi.strength == few.strength


@pytest.mark.filterwarnings("error")
def test_odd_embeddings_are_read_all_the_same():
    z, segments, y = many(n_segments=24)
    labelled = drawn(y, segments, 1)
    names = np.array(list("abcdefgh"))[y]
    for odd in (z * 0 + 3, np.c_[z[:, :1], z * 0], np.c_[z[:, :1], z[:, :1]], z[:, :1]):
        for classifier in ("logistic", "lda", "auto"):
            reader = fit_readout_semi_supervised(odd, names, segments, labelled, classifier=classifier)
            assert set(reader.predict(odd)) <= set(names)
    # One bin a segment, one segment a class and one more.
    single = np.unique(segments, return_index=True)[1][:9]
    reader = fit_readout_semi_supervised(
        z[single], y[single], np.arange(9), Labelled(np.arange(8), np.zeros(8, int), 1)
    )
    assert (reader.predict(z[single[:8]]) == y[single[:8]]).all()
    with pytest.raises(DataError, match="two classes or more"):
        fit_readout_semi_supervised(z, y * 0, segments, labelled)
    with pytest.raises(DataError, match="real numbers"):
        fit_readout_semi_supervised(z, y + 0.5, segments, labelled)


# Which classifier.


def test_the_discriminant_is_that_of_scikit_learn():
    z, segments, y = many()
    z_test = many(seed=1)[0]
    scaler = StandardScaler().fit(z)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(scaler.transform(z), y)
    some = Labelled(np.arange(len(z)), segments, 1)
    ours = fit_readout_few("class", z, y, some, classifier="lda")
    np.testing.assert_array_equal(ours.predict(z_test), reference.predict(scaler.transform(z_test)))
    two = fit_readout_few("class", z, np.where(y > 3, "r", "l"), some, classifier="lda")
    reference = reference.fit(scaler.transform(z), y > 3)
    np.testing.assert_array_equal(two.predict(z_test) == "r", reference.predict(scaler.transform(z_test)))


def test_validation_rows_choose_the_classifier():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 150)
    # Two Gaussians that share a covariance are a discriminant's; an outlying half of one class is not.
    gaussian = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 20)) + y[:, None]
    outlying = rng.normal(size=(300, 2)) * 0.3 + np.c_[y, y]
    outlying[75:150] -= 40.0
    taken = []
    for z in (gaussian, outlying):
        train, valid = np.arange(300) % 2 == 0, np.arange(300) % 2 == 1
        each = {
            c: fit_readout("class", z[train], y[train], z[valid], y[valid], classifier=c)
            for c in ("logistic", "lda", "auto")
        }
        tried = {
            kind: max(k(s).fit(z[train], y[train]).merit(z[valid], y[valid]) for s in k.grid)
            for kind, k in ((r.classifier, type(r)) for r in each.values())
        }
        assert tried[each["auto"].classifier] == max(tried.values())
        same = each[each["auto"].classifier]
        np.testing.assert_array_equal(each["auto"].predict(z), same.predict(z))
        taken.append(each["auto"].classifier)
    assert taken[1] == "logistic"


def test_one_label_leaves_the_choice_to_the_default():
    z, segments, y = many()
    assert fit_readout_few("class", z, y, drawn(y, segments, 1), classifier="auto").classifier == "lda"


def test_words_for_readouts_and_their_options():
    for readout in READOUTS:
        assert parse_reading(reading_name(readout)) == (readout, "logistic", False)
    for classifier in ("logistic", "lda", "auto"):
        for semi in (False, True):
            assert parse_reading(reading_name("classification", classifier, semi)) == ("class", classifier, semi)
    for word in ("class-", "class-svm", "angle-lda", "nothing", "class-semi-semi"):
        with pytest.raises((UnknownNameError, SettingError)):
            parse_reading(word)


# Evaluations.


def session(n_segments=96, seed=0):
    """Trials of unequal length, of units tuned to four directions."""
    rng = np.random.default_rng(seed)
    direction = rng.permutation(np.arange(n_segments) % 4)
    length = rng.integers(3, 9, size=n_segments)
    segments = np.repeat(np.arange(n_segments), length)
    rates = np.random.default_rng(7).uniform(0.2, 2.0, size=(4, 12)) + 0.1
    drive = rng.gamma(4.0, 0.25, size=(n_segments, 12))
    counts = rng.poisson((rates[direction] * drive)[segments])
    return Recording(
        counts,
        bin_size=0.1,
        segments=segments,
        name="tuned",
        labels={
            "direction": direction[segments],
            "side": np.array(["left", "right"])[direction[segments] % 2],
            "moving": np.concatenate([np.arange(n) > 2 for n in length]),
            "place": rng.normal(size=len(segments)),
        },
        periods={"direction": 4},
    )


REC = session()
PARTS = tuple(REC.select(np.isin(REC.segments % 12, p)) for p in (range(8), (8, 9), (10, 11)))


@pytest.fixture(scope="module")
def model():
    return PCA(dim=4).fit(PARTS[0])


def test_every_row_stands_beside_it_with_the_same_readout(model):
    plain = evaluate(model, *PARTS, labels=1, draws=4)
    semi = evaluate(model, *PARTS, labels=1, draws=4, readout="classification", semi_supervised=True)
    assert json.loads(json.dumps(semi, allow_nan=False)) == semi
    assert semi.keys() == plain.keys() | {"semi_supervised"}
    for name in ("raw", "raw_common", "pca", "pca_common", "untrained"):
        assert semi[name]["semi_supervised"] is True
        assert semi[name]["n_train"] == len(PARTS[0])
    assert semi["readout"] == "class"
    assert "semi_supervised" not in plain
    assert "classifier" not in plain
    for name in ("raw_common", "pca_common"):
        assert semi[name]["accuracy"] > plain[name]["accuracy"], name


def test_with_all_labels_nothing_changes(model):
    plain = evaluate(model, *PARTS)
    assert evaluate(model, *PARTS, semi_supervised=True)["pca"] == plain["pca"] | {"semi_supervised": True}


def test_neither_validation_nor_test_rows_nor_labels_that_were_not_drawn_take_part(model):
    train, valid, test = PARTS
    rng = np.random.default_rng(0)
    labelled = draw_labelled(
        train.labels["direction"], train.segments, 2, rng, bins=train.bins, bin_size=train.bin_size
    )
    chosen = np.isin(np.arange(len(train)), labelled.rows)
    false = np.where(chosen, train.labels["direction"], 3 - train.labels["direction"])
    options = {"target": "direction", "readout": "class", "labels": 2, "draws": 1, "semi_supervised": True}
    found = decode(lambda _: model, PARTS, **options)

    def relabelled(part, values):
        return Recording(
            part.counts, bin_size=0.1, times=part.times, segments=part.segments, labels={"direction": values}
        )

    # A draw sees all labels, so the same rows are drawn of both.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "draw_labelled", lambda *_, **__: labelled)
        silent = Recording(valid.counts * 0, bin_size=0.1, segments=valid.segments, labels=valid.labels)
        poisoned = decode(lambda _: model, (relabelled(train, false), silent, test), **options)
        half = test.select(test.segments % 12 == 10)
        fewer = decode(lambda _: model, (train, valid, half), **options)
    assert poisoned["accuracy"] == found["accuracy"]
    assert poisoned["confusion"] == found["confusion"]
    assert fewer["n_train"] == found["n_train"] == len(train)


@pytest.mark.parametrize("labels", [None, 1])
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"target": "moving"}, DataError, r"'moving' changes inside \d+ of 64 training segments, first in segment \d+; .* choose another"),
        ({"target": "place"}, DataError, "readout is 'continuous'; use readout 'class'"),
        ({"readout": "angle"}, DataError, "readout is 'angle'; use readout 'class'"),
        ({"readout": "knn"}, DataError, "readout is 'knn'; use readout 'class'"),
        ({"classifier": "svm"}, UnknownNameError, "unknown classifier 'svm'"),
        ({"classifier": "lda", "readout": "angle"}, SettingError, "is for readout 'class'"),
    ],
)  # fmt: skip
def test_what_it_cannot_read_is_refused_with_the_reason(model, labels, options, error, text):
    with pytest.raises(error, match=text):
        evaluate(model, *PARTS, labels=labels, **{"semi_supervised": True} | options)


def test_decoders_and_single_segments_are_refused(model):
    decoder = LDA().fit(PARTS[0], PARTS[0].labels["direction"])
    for options in ({"semi_supervised": True}, {"classifier": "auto"}):
        with pytest.raises(SettingError, match="names classes itself"):
            evaluate(decoder, *PARTS, labels=1, **options)
    still = PARTS[0].labels["direction"] == 1
    one = Recording(PARTS[0].counts[still], bin_size=0.1, labels={"direction": PARTS[0].labels["direction"][still]})
    with pytest.raises(DataError, match="one training segment"):
        evaluate(model, one, *PARTS[1:], semi_supervised=True)


def test_of_many_rows_some_are_fitted(model, monkeypatch):
    monkeypatch.setattr(rows, "FITTED_ROWS", 120)
    result = decode(
        lambda _: model, PARTS, target="direction", readout="class", labels=3, draws=3, semi_supervised=True
    )
    whole = len(PARTS[0])
    assert whole > 300
    assert 100 < result["n_train"] <= 120
    assert result["readout_rows"] == {"used": result["n_train"], "of": whole}
    assert result["accuracy"] > 0.4


def test_the_classifier_that_was_taken_is_counted(model):
    result = evaluate(model, *PARTS, labels=3, draws=3, classifier="auto")
    assert result["classifier"] == "auto"
    assert sum(result["classifiers"].values()) == 3
    assert evaluate(model, *PARTS, labels=1, draws=3, classifier="auto")["classifiers"] == {"lda": 3}
    assert evaluate(model, *PARTS, classifier="lda")["accuracy"] > 0.5


# The command line.


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "session.npz", **trials(n_segments=40))


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_evaluated_with_and_without_unlabelled_segments(file, tmp_path):
    run = tmp_path / "run"
    assert myow("train", file, "--out", run, *SMALL, "--quiet").code == 0
    words = ["evaluate", run, "--labels", "1", "--readout", "classification", "--json"]
    plain = json.loads(myow(*words).out)
    called = json.loads(myow(*words, "--semi-supervised").out)
    assert called.keys() == plain.keys() | {"semi_supervised"}
    assert json.loads(myow(*words, "--classifier", "auto").out)["classifiers"] == {"lda": 10}
    for name in ("class", "class-semi", "class-auto"):
        held = json.loads((run / f"evaluation_direction_{name}_1.json").read_text())
        assert held["readout"] == "class"
        assert (run / f"worth_direction_{name}_1.png").exists()
    assert "class, semi-supervised" in myow("card", run).out
    assert "class readout (semi-supervised)" in myow(*words[:-1], "--semi-supervised").out
    refused = myow("evaluate", run, "--readout", "angle", "--semi-supervised")
    assert refused.code == 1
    assert "use readout 'class'" in refused.err


QUICK = ["--folds", "2", "--draws", "2", "--quiet"]


@pytest.mark.filterwarnings("ignore")
def test_the_bench_reads_out_with_and_without_unlabelled_segments(file, tmp_path):
    words = ["bench", "--out", tmp_path, "--datasets", file, "--methods", "raw,pca,lda", *QUICK, "--labels", "all,1"]
    assert myow(*words).code == 0
    called = myow(*words, "--semi-supervised", "--json")
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["error"] for row in lines] == [None] * len(lines)
    # What was there is not done again; decoders have nothing to add.
    assert json.loads(called.out)["added"] == 4
    added = [row for row in lines if row["tasks"] == [["class-semi", "1"]]]
    assert [(row["method"], row["fold"]) for row in added] == [("raw", 0), ("pca", 0), ("raw", 1), ("pca", 1)]
    table = (tmp_path / "table.md").read_text()
    assert "Class readout (semi-supervised), 1 labelled segment per class" in table
    assert "Class readout, 1 labelled segment per class" in table
    assert myow(*words, "--classifier", "auto").code == 0
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    auto = [s for row in lines for s in row["scores"] if s["readout"] == "class-auto"]
    assert {s["labels"] for s in auto} == {"all", "1"}
    assert all(sum(s["classifiers"].values()) == len(s["per_draw"]) for s in auto)


def test_the_bench_says_what_it_leaves_out(file, tmp_path):
    words = ["bench", "--out", tmp_path, "--datasets", file, "--methods", "raw", *QUICK, "--semi-supervised"]
    assert "with all labels no segment is unlabelled" in myow(*words).error()
    assert "use --readouts class" in myow(*words, "--labels", "1", "--readouts", "angle").error()
    inside = trials(n_segments=40)
    changing = write(tmp_path / "changing.npz", **inside | {"direction": np.arange(len(inside["direction"])) % 2})
    words[4] = changing
    with pytest.warns(UserWarning, match="changes inside 40 of 40 training segments"):
        called = myow(*words, "--labels", "1", "--readouts", "class", "--json")
    assert {cell["readout"] for cell in json.loads(called.out)["cells"]} == {"class"}


def test_unlabelled_segments_classifiers_and_aliases_go_with_folds_controls_and_differences():
    options = {"target": "direction", "readout": "classification", "labels": 1, "draws": 3, "cv": 4}
    plain = evaluate(PCA(dim=4), REC, **options)
    semi = evaluate(PCA(dim=4), REC, **options, semi_supervised=True, classifier="auto", controls=True)
    assert (semi["readout"], semi["folds"], semi["semi_supervised"]) == ("class", 4, True)
    assert sum(semi["classifiers"].values()) == 3 * 4
    assert sum(semi["raw"]["classifiers"].values()) == 3 * 4
    assert semi["accuracy"] > plain["accuracy"]
    assert set(semi["differences"]) == {"raw", "raw_common", "pca", "pca_common", "untrained"}
    for scores in semi["controls"].values():
        assert scores["accuracy"] < semi["accuracy"] - 0.15
    assert "class readout (logistic or LDA, semi-supervised)" in repr(semi).splitlines()[0]
    assert semi["n_train"] > plain["n_train"]
    with pytest.raises(DataError, match="changes inside"):
        evaluate(PCA(dim=4), REC, cv=4, labels=1, target="moving", semi_supervised=True)


def test_controls_of_few_labels_are_of_as_few(model):
    found = evaluate(model, *PARTS, labels=1, draws=2, controls=True)
    assert all(scores["n_train"] < 2 * found["n_train"] < len(PARTS[0]) for scores in found["controls"].values())
