"""Readouts of image features against scikit-learn and NumPy, and what they may and may not look at."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from myow.errors import DataError, SettingError
from myow.evaluation import images
from myow.evaluation.images import (
    STEPS,
    Step,
    Vote,
    draw_images,
    evaluate_features,
    known_few,
    scaled,
    train_and_predict,
    train_heads,
    vote,
    votes,
)
from myow.evaluation.metrics import wilson_interval

CPU = torch.device("cpu")


def clouds(n, seed=0, n_classes=4, dim=8, apart=1.2):
    """Classes around centres of their own, the same for every seed; they overlap."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    centres = apart * np.random.default_rng(99).normal(size=(n_classes, dim))
    return (centres[y] + rng.normal(size=(n, dim)) + 3).astype(np.float32), y


def parts(**kwargs):
    return [clouds(n, seed, **kwargs) for seed, n in enumerate((160, 60, 80))]


def evaluate(some, **kwargs):
    return evaluate_features(*some, **({"epochs": 8, "device": "cpu"} | kwargs))


def sklearn_votes(setting, x, y, queries):
    """Shares of the votes by class, shape (Q, C)."""
    weights = "uniform"
    if setting.temperature is not None:
        weights = lambda distance: np.exp((1 - distance) / setting.temperature)  # noqa: E731
    model = KNeighborsClassifier(setting.k, metric="cosine", algorithm="brute", weights=weights)
    mean = x.mean(axis=0)
    return model.fit(x - mean, y).predict_proba(queries - mean)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_votes_agree_with_scikit_learn(n_classes):
    (x, y), (queries, _) = clouds(120, 0, n_classes), clouds(90, 1, n_classes)
    grid = votes(len(x))
    assert {s.k for s in grid} == {1, 5, 10, 20, 50}
    assert {s.temperature for s in grid} == {0.07, 0.2, None}
    rows, others = scaled(x, queries, CPU)
    ours = vote(rows, torch.from_numpy(y), others, grid, n_classes=n_classes)
    for setting, predicted in zip(grid, ours, strict=True):
        shares = sklearn_votes(setting, x, y, queries)
        ranked = np.sort(shares, axis=1)
        clear = ranked[:, -1] - ranked[:, -2] > 1e-6
        assert clear.mean() > 0.5
        np.testing.assert_array_equal(predicted[clear], shares.argmax(axis=1)[clear])
        # Where votes are equal, the class is one of those that lead.
        assert (shares[np.arange(len(queries)), predicted] > ranked[:, -1] - 1e-6).all()


def test_equal_votes_go_to_the_nearer_class():
    angle = torch.tensor([0.3, 0.4, -0.1, -0.2])
    x, y = torch.stack([angle.cos(), angle.sin()], dim=1), torch.tensor([0, 0, 1, 1])
    ahead = torch.tensor([[1.0, 0.0]])
    assert vote(x, y, ahead, [Vote(4, None)], n_classes=2).tolist() == [[1]]
    assert vote(x, 1 - y, ahead, [Vote(4, None)], n_classes=2).tolist() == [[0]]
    assert vote(x, y, ahead, [Vote(3, None), Vote(1, 0.07)], n_classes=3).tolist() == [[1], [1]]


def test_settings_do_not_disturb_each_other():
    (x, y), (queries, _) = clouds(60, 0), clouds(40, 1)
    rows, others = scaled(x, queries, CPU)
    index = torch.from_numpy(y)
    grid = votes(60)
    together = vote(rows, index, others, grid, n_classes=4)
    alone = np.concatenate([vote(rows, index, others, [s], n_classes=4) for s in grid])
    np.testing.assert_array_equal(together, alone)
    weight, bias = train_heads(rows, index, STEPS, n_classes=4, epochs=3, seed=5)
    for number, step in enumerate(STEPS):
        own_weight, own_bias = train_heads(rows, index, [step], n_classes=4, epochs=3, seed=5)
        torch.testing.assert_close(weight[:, number], own_weight[:, 0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(bias[number], own_bias[0], rtol=1e-3, atol=1e-3)


def numpy_sgd(x, y, step, n_classes, epochs, batches):
    """The recipe, one row of the gradient after the other."""
    w, b = np.zeros((x.shape[1], n_classes)), np.zeros(n_classes)
    w_velocity, b_velocity = np.zeros_like(w), np.zeros_like(b)
    for epoch in range(epochs):
        rate = step.learning_rate * (1 if epoch < 0.6 * epochs else 0.1 if epoch < 0.8 * epochs else 0.01)
        for rows in batches[epoch]:
            w_gradient, b_gradient = step.weight_decay * w, np.zeros_like(b)
            for i in rows:
                scores = np.exp(x[i] @ w + b)
                error = scores / scores.sum() - np.eye(n_classes)[y[i]]
                w_gradient = w_gradient + np.outer(x[i], error) / len(rows)
                b_gradient = b_gradient + error / len(rows)
            w_velocity, b_velocity = 0.9 * w_velocity + w_gradient, 0.9 * b_velocity + b_gradient
            w, b = w - rate * w_velocity, b - rate * b_velocity
    return w, b


@pytest.mark.parametrize("n", [30, 700])
def test_heads_follow_the_recipe_step_by_step(n):
    x, y = clouds(n, 0, n_classes=3, dim=5)
    rows, _ = scaled(x, x[:1], CPU)
    grid = [Step(0.5, 0.0), Step(2.0, 0.0), Step(2.0, 0.05)]
    weight, bias = train_heads(rows, torch.from_numpy(y), grid, n_classes=3, epochs=5, seed=3)
    generator = torch.Generator().manual_seed(3)
    orders = [torch.randperm(n, generator=generator).numpy() for _ in range(5)]
    batches = [np.array_split(order, 1 if n <= 512 else 2) for order in orders]
    for number, step in enumerate(grid):
        w, b = numpy_sgd(rows.double().numpy(), y, step, 3, 5, batches)
        np.testing.assert_allclose(weight[:, number].numpy(), w, atol=1e-4)
        np.testing.assert_allclose(bias[number].numpy(), b, atol=1e-4)


def test_linear_readout_is_as_good_as_logistic_regression():
    some = parts()
    (x, y), (x_valid, y_valid), (x_test, y_test) = some
    logistic = LogisticRegression(max_iter=2000).fit(np.r_[x, x_valid], np.r_[y, y_valid]).score(x_test, y_test)
    ours = evaluate(some, epochs=40)["linear"]
    assert ours["accuracy"] == pytest.approx(logistic, abs=0.04)
    apart = parts(apart=6.0)
    assert LogisticRegression(max_iter=2000).fit(*apart[0]).score(*apart[2]) == 1
    assert evaluate(apart, epochs=40)["linear"]["accuracy"] == 1


def test_heads_stay_finite_at_any_learning_rate():
    x, y = clouds(64, 0, apart=0.1)
    weight, bias = train_heads(
        scaled(x, x, CPU)[0], torch.from_numpy(y), [Step(1e8, 0.0)], n_classes=4, epochs=30, seed=0
    )
    assert torch.isfinite(weight).all()
    assert torch.isfinite(bias).all()


def spied(monkeypatch, some, **kwargs):
    """Scores, and every pair of predictions and labels that was compared."""
    compared = []
    count = images.score_images

    def score_images(predicted, true, classes):
        compared.append((predicted.copy(), np.asarray(true).copy()))
        return count(predicted, true, classes)

    with monkeypatch.context() as patch:
        patch.setattr(images, "score_images", score_images)
        return evaluate(some, **kwargs), compared


def test_settings_are_chosen_on_validation_rows_which_then_join(monkeypatch):
    some = parts()
    (x, y), (x_valid, y_valid), (x_test, y_test) = some
    scores, ((knn, _), (linear, _)) = spied(monkeypatch, some)
    chosen = Vote(**scores["knn"]["settings"][0])
    merits = {s: (sklearn_votes(s, x, y, x_valid).argmax(axis=1) == y_valid).mean() for s in votes(len(x))}
    # Votes that are equal may go either way, but those with weights hardly ever are.
    assert scores["knn"]["validation_accuracy"] >= max(v for s, v in merits.items() if s.temperature) - 1e-9
    assert scores["knn"]["validation_accuracy"] == pytest.approx(merits[chosen], abs=0.04)
    x, y = np.r_[x, x_valid], np.r_[y, y_valid]
    shares = sklearn_votes(chosen, x, y, x_test)
    ranked = np.sort(shares, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 1e-6
    np.testing.assert_array_equal(knn[0][clear], shares.argmax(axis=1)[clear])
    step = Step(**scores["linear"]["settings"][0])
    rows, others = scaled(x, x_test, CPU)
    again = train_and_predict(rows, torch.from_numpy(y), others, [step], n_classes=4, epochs=8, seed=0)
    np.testing.assert_array_equal(linear, again)
    assert scores["linear"]["accuracy"] == (again[0] == y_test).mean()


@pytest.mark.parametrize("labels", [None, 6])
def test_test_labels_count_hits_and_decide_nothing(monkeypatch, labels):
    train, valid, (x, y) = parts()
    shuffled = np.random.default_rng(0).permutation(y)
    honest, compared = spied(monkeypatch, (train, valid, (x, y)), labels=labels, draws=2)
    other, compared_other = spied(monkeypatch, (train, valid, (x, shuffled)), labels=labels, draws=2)
    assert len(compared) == len(compared_other) == 2  # once a readout
    for (predicted, true), (again, wrong) in zip(compared, compared_other, strict=True):
        np.testing.assert_array_equal(predicted, again)
        np.testing.assert_array_equal(true, y)
        np.testing.assert_array_equal(wrong, shuffled)
    for name in ("knn", "linear"):
        for key in ("settings", "validation_accuracy"):
            assert honest[name][key] == other[name][key]
        assert honest[name]["accuracy"] > other[name]["accuracy"]


def test_test_rows_decide_nothing():
    train, valid, test = parts()
    few = (test[0][:5] * 100, test[1][:5])
    whole, other = evaluate((train, valid, test)), evaluate((train, valid, few))
    for name in ("knn", "linear"):
        assert whole[name]["settings"] == other[name]["settings"]
        assert whole[name]["validation_accuracy"] == other[name]["validation_accuracy"]


def test_validation_rows_decide():
    train, valid, test = parts(apart=0.6)
    chosen = {
        json.dumps(evaluate((train, clouds(20, seed, apart=0.6), test))["linear"]["settings"]) for seed in range(5, 11)
    }
    assert len(chosen) > 1
    assert evaluate((train, valid, test))["linear"]["n_valid"] == 60


def test_a_readout_of_few_labels_sees_those_alone():
    train, valid, test = parts()
    rng = np.random.default_rng(0)
    usual = evaluate((train, valid, test), labels=3, draws=4)
    other = evaluate((train, (valid[0] + 50, rng.permutation(valid[1])), test), labels=3, draws=4)
    assert usual == other
    for scores in usual.values():
        assert (scores["labels"], scores["n_train"], scores["n_valid"], scores["n_test"]) == (3, 12, 0, 80)
        assert len(scores["accuracies"]) == len(scores["settings"]) == 4
        assert scores["accuracy"] == pytest.approx(np.mean(scores["accuracies"]))
        assert scores["spread"] == pytest.approx(np.std(scores["accuracies"], ddof=1))
        assert np.sum(scores["confusion"]) == 4 * 80
        assert all(s.get("k", 1) <= 8 for s in scores["settings"])  # a fold leaves 8 rows
    more = evaluate((train, valid, test), labels=30, draws=4)
    assert all(more[name]["accuracy"] > usual[name]["accuracy"] for name in more)


def test_one_label_a_class_leaves_nothing_to_choose_on():
    scores = evaluate(parts(), labels=1, draws=2)
    assert scores["linear"]["settings"] == [{"learning_rate": STEPS[0].learning_rate, "weight_decay": 0.0}] * 2
    assert scores["knn"]["settings"] == [{"k": 1, "temperature": 0.07}] * 2
    assert scores["knn"]["validation_accuracy"] is None
    assert scores["linear"]["validation_accuracy"] is None
    assert scores["knn"]["accuracy"] > 0.4  # chance is 0.25


@given(n=st.integers(1, 12), n_classes=st.integers(2, 5), seed=st.integers(0, 50))
@settings(max_examples=30)
def test_draws_are_stratified_and_folds_leave_every_class(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes) * 3, rng.integers(12, 20, size=n_classes))
    rows = draw_images(y, n, np.random.default_rng(seed))
    np.testing.assert_array_equal(rows, draw_images(y, n, np.random.default_rng(seed)))
    assert rows.shape == (n, n_classes)
    assert len(np.unique(rows)) == rows.size
    np.testing.assert_array_equal(y[rows], np.tile(np.arange(n_classes) * 3, (n, 1)))
    x = np.arange(len(y), dtype=np.float32)[:, None]
    known = known_few((x, y), n, np.random.default_rng(seed))
    np.testing.assert_array_equal(known.features[:, 0], rows.ravel())
    np.testing.assert_array_equal(known.labels, y[rows.ravel()])
    assert len(known.held) == (0 if n == 1 else min(5, n))
    for held in known.held:
        assert len(np.unique(known.labels[held])) == len(np.unique(known.labels[~held])) == n_classes
    if known.held:
        np.testing.assert_array_equal(np.sum(known.held, axis=0), 1)


def test_every_image_is_drawn_equally_often():
    count = np.zeros(20)
    for seed in range(400):
        count[draw_images(np.arange(20) % 2, 3, np.random.default_rng([0, seed]))] += 1
    assert count.sum() == 2400
    assert abs(count - 120).max() < 5 * np.sqrt(400 * 0.3 * 0.7)


def test_the_seed_decides():
    some = parts(apart=0.6)
    assert evaluate(some, seed=3) == evaluate(some, seed=3)
    few = [evaluate(some, labels=2, draws=3, seed=seed)["knn"]["accuracies"] for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    x, y = clouds(900, 0)
    rows, index = scaled(x, x, CPU)[0], torch.from_numpy(y)
    first, again, other = (train_heads(rows, index, STEPS[:1], n_classes=4, epochs=2, seed=s)[0] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40, 1e25, 1e-25])
def test_units_of_features_do_not_matter(factor):
    some = parts()
    usual = evaluate(some)
    other = evaluate([((x * np.float32(factor)), y) for x, y in some])
    for name in ("knn", "linear"):
        assert other[name]["accuracy"] == pytest.approx(usual[name]["accuracy"], abs=0.03)
        if abs(np.log2(factor)) == 40:
            assert other[name] == usual[name]


def test_features_are_centred_and_divided_by_one_number():
    x, _ = clouds(50, 0)
    x[:, 2] *= 10
    rows, others = scaled(x, x[:7], CPU)
    rows, others = rows.numpy(), others.numpy()
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-6)
    assert (rows**2).sum(axis=1).mean() == pytest.approx(1)
    np.testing.assert_array_equal(others, rows[:7])
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(rows * np.sqrt((centred**2).sum(axis=1).mean()), centred, rtol=1e-3, atol=1e-4)
    wide, _ = scaled(np.tile(x, 300), x[:1].repeat(300, axis=0).reshape(1, -1), CPU)
    assert (wide**2).sum(dim=1).mean().item() == pytest.approx(1, rel=1e-5)


def test_features_that_say_nothing_give_the_majority():
    y = np.array([0, 1, 1, 1, 2] * 8)
    some = [(np.full((len(y), 3), 0.1, np.float32), y)] * 3
    scores = evaluate(some)
    assert scores["linear"]["majority"] == 0.6
    assert scores["linear"]["accuracy"] == 0.6
    assert np.asarray(scores["linear"]["confusion"])[:, 1].tolist() == [8, 24, 8]
    assert np.isfinite(scores["knn"]["accuracy"])


def test_majority_is_of_the_commonest_training_label():
    train, valid, (x, y) = parts()
    skewed = (np.r_[train[0], train[0][:30]], np.r_[train[1], np.full(30, 2)])
    y = y.copy()
    y[:10] = 2
    scores = evaluate((skewed, valid, (x, y)))
    assert scores["knn"]["majority"] == scores["linear"]["majority"] == (y == 2).mean()


def test_confusion_counts_and_labels_of_any_size():
    names = np.array([-5, 0, 7, 1000])
    train, valid, test = ((x, names[y]) for x, y in parts())
    scores = evaluate((train, valid, test))
    plain = evaluate(parts())
    for name in ("knn", "linear"):
        confusion = np.asarray(scores[name]["confusion"])
        assert scores[name]["classes"] == names.tolist()
        np.testing.assert_array_equal(confusion, plain[name]["confusion"])
        np.testing.assert_array_equal(confusion.sum(axis=1), [(test[1] == v).sum() for v in names])
        assert np.trace(confusion) / 80 == pytest.approx(scores[name]["accuracy"])
        assert scores[name]["spread"] is None
        assert (scores[name]["n_train"], scores[name]["n_valid"], scores[name]["n_test"]) == (160, 60, 80)


@given(n=st.integers(1, 2000), share=st.floats(0, 1))
def test_interval_is_wilsons(n, share):
    hits = round(share * n)
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(hits / n, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


def test_intervals_refuse_what_is_no_share():
    with pytest.raises(DataError, match=r"the share is 1\.5 of 10"):
        wilson_interval(1.5, 10)
    with pytest.raises(DataError, match="of 1 or more"):
        wilson_interval(0.5, 0)
    with pytest.raises(SettingError, match="must lie between 0 and 1"):
        wilson_interval(0.5, 10, level=1.0)


@given(
    sizes=st.tuples(st.integers(8, 30), st.integers(1, 9), st.integers(1, 9)),
    dim=st.integers(1, 6),
    n_classes=st.integers(2, 4),
    labels=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 20),
)
@settings(max_examples=25)
def test_any_shape_gives_plain_and_consistent_numbers(sizes, dim, n_classes, labels, seed):
    rng = np.random.default_rng(seed)
    some = [(rng.normal(size=(n, dim)), np.arange(n) % n_classes) for n in sizes]
    for scores in evaluate(some, epochs=1, labels=labels, draws=2).values():
        assert json.loads(json.dumps(scores)) == scores
        assert np.shape(scores["confusion"]) == (n_classes, n_classes)
        assert np.sum(scores["confusion"]) == sizes[2] * (1 if labels is None else 2)
        low, high = scores["interval"]
        assert 0 <= low <= scores["accuracy"] + 1e-12
        assert scores["accuracy"] - 1e-12 <= high <= 1


def test_predictions_in_chunks_are_those_of_the_whole(monkeypatch):
    (x, y), (queries, _) = clouds(40, 0), clouds(25, 1)
    rows, others = scaled(x, queries, CPU)
    kwargs = {"n_classes": 4, "epochs": 3, "seed": 0}
    whole = train_and_predict(rows, torch.from_numpy(y), others, STEPS, **kwargs)
    monkeypatch.setattr("myow.evaluation.images.CHUNK", 7)
    np.testing.assert_array_equal(whole, train_and_predict(rows, torch.from_numpy(y), others, STEPS, **kwargs))
    assert whole.shape == (len(STEPS), 25)


BAD = {
    "empty": (lambda x, y: (x[:0], y[:0]), r"float32 of shape \(0, 8\); they must be numbers of shape"),
    "no columns": (lambda x, y: (x[:, :0], y), "with at least one of each"),
    "text": (lambda x, y: (x.astype(str), y), "they must be numbers"),
    "images": (lambda x, y: (x.reshape(-1, 2, 4), y), r"shape \(\d+, 2, 4\)"),
    "not finite": (lambda x, y: (np.where(np.arange(len(x))[:, None] == 3, np.nan, x), y), "row 3 has features that"),
    "too large": (lambda x, y: (x.astype(np.float64) * 1e300, y), "too large for float32"),
    "a label short": (lambda x, y: (x, y[:-1]), "give one class, a whole number, to each of"),
    "real labels": (lambda x, y: (x, y + 0.5), "labels are float64"),
}


@pytest.mark.parametrize("where", [0, 1, 2])
@pytest.mark.parametrize("fault", BAD)
def test_bad_parts_are_named(fault, where):
    some = parts()
    spoil, message = BAD[fault]
    some[where] = spoil(*some[where])
    name = ("training", "validation", "test")[where]
    with pytest.raises(DataError, match=message) as caught:
        evaluate(some)
    assert name in str(caught.value)


def test_parts_that_do_not_fit_together_are_refused():
    (x, y), valid, test = parts()
    with pytest.raises(DataError, match="validation rows have 7 features, the training rows 8"):
        evaluate(((x, y), (valid[0][:, 1:], valid[1]), test))
    with pytest.raises(DataError, match="a label missing from the training rows: 3 occurs in validation rows only"):
        evaluate(((x[y != 3], y[y != 3]), valid, test))
    known = valid[1] != 3
    with pytest.raises(DataError, match="3 occurs in test rows only; split anew"):
        evaluate(((x[y != 3], y[y != 3]), (valid[0][known], valid[1][known]), test))
    with pytest.raises(DataError, match="all training rows have the label 0"):
        evaluate([(x, 0 * y) for x, y in parts()])
    with pytest.raises(DataError, match="41 labelled images per class were asked for, but label 0 has 40"):
        evaluate(((x, y), valid, test), labels=41)


@pytest.mark.parametrize(("name", "least"), [("epochs", 1), ("labels", 1), ("draws", 1), ("seed", 0)])
def test_settings_out_of_range_are_refused(name, least):
    with pytest.raises(SettingError, match=f"{name} is {least - 1}; it must be {least} or more"):
        evaluate(parts(), **{name: least - 1})


def test_no_images_cannot_be_drawn():
    with pytest.raises(SettingError, match="labels is 0; it must be 1 or more per class"):
        draw_images([0, 1], 0, np.random.default_rng(0))


def test_an_unusable_device_is_refused():
    with pytest.raises(SettingError, match="cannot be used here"):
        evaluate(parts(), device="abacus")
