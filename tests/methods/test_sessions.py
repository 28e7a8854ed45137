"""Several sessions of different units: read-ins, balanced batches, mining within and across, adaptation, and what is refused."""

import copy
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from tiny import Notes

import myow
from myow.data.sessions import Sessions
from myow.data.splits import fold_rows
from myow.errors import DataError, SettingError, UnknownNameError
from myow.methods.paired_views import EmbeddingChoice
from myow.nn.losses import sliced_distance
from myow.nn.read_in import SessionScaling, principal_axes, read_in_encoders, trajectories, turn_between
from myow.nn.scaling import Scaling
from myow.training.augment import NeuralAugment, augmented
from myow.training.diagnostics import recognition
from myow.training.rows import SessionRows, TrainingRows, batches_of

SMALL = {"steps": 4, "dim": 4, "hidden": (8,), "random_state": 0, "device": "cpu", "batch_size": 16}
MINED = SMALL | {"predictor": 8, "mined_projector": (8, 4), "mined_predictor": 8, "read_in": 6}
CPU = torch.device("cpu")


def session(name, n_units, n_trials=8, length=5, seed=0, **about):
    rng = np.random.default_rng(seed)
    trial = np.repeat(np.arange(n_trials), length)
    counts = rng.poisson(1.5, (len(trial), n_units))
    return myow.Recording(counts, bin_size=0.1, segments=trial, labels={"direction": trial % 4}, name=name, **about)


A, B, C = session("a", 7), session("b", 5, n_trials=6, seed=1), session("c", 9, n_trials=5, seed=2)


@pytest.fixture(scope="module")
def two():
    return myow.MYOW(**MINED).fit([A, B])


def states(seed, n_units, name):
    """A session that goes through three states, of unequal length and distance, with units of its own."""
    rng = np.random.default_rng(seed)
    state = np.tile(np.repeat([0, 1, 2, 0, 1, 0], [16, 11, 8, 14, 10, 13]), 5)
    latent = 1.56 * np.array([[0.0, 0.0], [2.0, 0.0], [0.7, 1.6]])[state] + rng.normal(0, 0.25, (len(state), 2))
    tuning = 0.6 * rng.normal(size=(2, n_units))
    rate = np.exp(0.3 + latent @ tuning - (tuning**2).sum(axis=0) / 2)
    return myow.Recording(rng.poisson(np.minimum(rate, 30)), bin_size=0.1, labels={"state": state}, name=name)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.network_.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def rows_of(*recordings, anchors=None):
    parts = [TrainingRows(r, torch.from_numpy(np.array(r.counts)).float(), (0, 0), CPU) for r in recordings]
    data = Sessions({r.name: r for r in recordings})
    return SessionRows(data, parts, range(len(parts)), max(r.n_units for r in recordings), anchors)


# One session is what it was.


@pytest.mark.parametrize("method", [myow.MYOW, myow.BYOL, myow.SimCLR, partial(myow.MYOW, mined_weight=0.0)])
def test_a_list_of_one_recording_is_that_recording(method):
    alone, listed = method(**SMALL).fit(A), method(**SMALL).fit([A])
    assert same(weights(alone), weights(listed))
    assert alone.sessions_ == {}
    assert not list(read_in_encoders(alone.network_))
    np.testing.assert_array_equal(alone.transform(A), listed.transform(A))


def test_labels_change_nothing():
    other = [
        replace(r, labels={"direction": r.labels["direction"][::-1].copy(), "x": np.arange(len(r))}) for r in (A, B)
    ]
    plain = [replace(r, labels={}) for r in (A, B)]
    first, second = (myow.MYOW(**MINED).fit(parts, y=np.arange(3)) for parts in (other, plain))
    assert same(weights(first), weights(second))
    first.adapt(C, steps=2), second.adapt(replace(C, labels={}), steps=2)
    assert same(weights(first), weights(second))


# Several.


@pytest.mark.parametrize("method", [myow.MYOW, myow.BYOL, myow.SimCLR, partial(myow.MYOW, mined_weight=0.0)])
def test_each_session_is_embedded_by_its_own_units(method, tmp_path):
    model = method(**SMALL, read_in=6, context=(1, 1)).fit([A, B])
    assert list(model.sessions_) == ["a", "b"]
    assert [about["n_units"] for about in model.sessions_.values()] == [7, 5]
    assert model.transform(A).shape == (len(A), 4)
    assert model.transform(B).shape == (len(B), 4)
    encoder = next(read_in_encoders(model.network_))
    assert [tuple(part.weight.shape) for part in encoder.linear()] == [(6, 7), (6, 5)]
    # By name, units or checksum, and as part of a recording.
    part = B.select_segments([1, 4])
    np.testing.assert_array_equal(model.transform(part), model.transform(part, session="b"))
    np.testing.assert_array_equal(model.transform(replace(A, name="renamed")), model.transform(A))
    np.testing.assert_allclose(model.of_session("b").transform(B), model.transform(B), atol=1e-6)
    for number, alone in enumerate((model, model.of_session("b"))):
        alone.save(tmp_path / f"{number}.myow")
        loaded = myow.load_model(tmp_path / f"{number}.myow", device="cpu")
        assert loaded.sessions_ == alone.sessions_
        assert same(weights(loaded), weights(alone))
        np.testing.assert_array_equal(loaded.transform(B), alone.transform(B))


def test_sessions_share_one_encoder_and_learn_a_read_in_each():
    model = myow.MYOW(**MINED | {"steps": 12})
    before = weights(model.initialise([A, B]))
    after = weights(model.fit([A, B]))
    read_ins = [k for k in before if "read_ins" in k and k.startswith("online")]
    assert len(read_ins) == 2
    assert not any(torch.equal(before[k], after[k]) for k in read_ins)
    assert torch.equal(before["scaling.mean"], after["scaling.mean"])
    counts = torch.from_numpy(np.sqrt(B.counts.astype(np.float64)))
    torch.testing.assert_close(after["scaling.mean"][1, :5].double(), counts.mean(dim=0), atol=1e-6, rtol=0)
    assert not after["scaling.mean"][1, 5:].any()


def test_a_mapping_names_sessions_that_share_a_name():
    halves = A.select(slice(0, 20)), A.select(slice(20, None))
    with pytest.raises(DataError, match="two sessions are called a"):
        myow.BYOL(**SMALL).fit(list(halves))
    model = myow.BYOL(**SMALL).fit({"early": halves[0], "late": halves[1]})
    assert list(model.sessions_) == ["early", "late"]
    assert not np.allclose(model.transform(A, session="early"), model.transform(A, session="late"))


@given(st.lists(st.integers(2, 30), min_size=2, max_size=4), st.integers(2, 24), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_batches_hold_equal_shares_and_every_row_once_a_pass(lengths, batch_size, seed):
    rows = rows_of(*(session(f"s{i}", 2, n_trials=1, length=n, seed=i) for i, n in enumerate(lengths)))
    stream = batches_of(rows, batch_size, torch.Generator().manual_seed(seed))
    batches = [stream.next() for _ in range(12)]
    size = min(batch_size, sum(lengths))
    for batch in batches:
        held = torch.bincount(rows.sessions[batch], minlength=len(lengths))
        assert len(batch) == size
        assert held.max() - held.min() <= 1
    drawn = torch.cat(batches)
    for start, length in zip(rows.starts, lengths, strict=True):
        own = drawn[(drawn >= start) & (drawn < start + length)]
        for first in range(0, len(own) - length + 1, length):
            assert sorted(own[first : first + length].tolist()) == list(range(start, start + length))


def test_only_anchors_make_batches():
    rows = rows_of(A, B, C, anchors=[1])
    batch = batches_of(rows, 16, torch.Generator().manual_seed(0)).next()
    assert set(rows.sessions[batch].tolist()) == {1}


def test_rows_are_those_of_each_session_padded_and_numbered():
    rows = rows_of(A, B)
    picked = torch.tensor([[0, len(A) + 3], [len(A), 5]])
    x = rows.gather(picked)
    assert x.shape == (2, 2, 1, 8)
    np.testing.assert_array_equal(x[0, 1, 0], [*B.counts[3], 0, 0, 1])
    np.testing.assert_array_equal(x[1, 1, 0], [*A.counts[5], 0])
    np.testing.assert_array_equal(rows.inside(picked)[..., 0], picked)
    np.testing.assert_array_equal(torch.cat(list(rows.blocks())), rows.gather(torch.arange(len(rows)))[:, 0])
    # Segments stay apart, whatever their numbers were.
    assert len(np.unique(rows.data.groups)) == A.n_segments + B.n_segments


def test_augmentation_leaves_the_number_of_the_session_and_the_missing_units_alone():
    scaling = SessionScaling([7, 5])
    own = Scaling(5)
    own.fit(torch.from_numpy(np.array(B.counts)).float(), "common")
    scaling.put(1, own)
    x = rows_of(A, B).gather(torch.tensor([[0, len(A), len(A) + 1]]))
    strong = NeuralAugment(dropout=0.5, noise=3.0, pepper=0.9, pepper_hz=5.0)
    view = augmented(x, strong, scaling, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(view[..., -1], x[..., -1])
    assert not view[0, 1:, :, 5:7].any()
    assert view[0, :, :, :5].ne(x[0, :, :, :5]).any()
    plain = augmented(x, NeuralAugment(), scaling, torch.Generator())
    torch.testing.assert_close(plain[0, 1:, :, :5], own(x[0, 1:, :, :5]))


def test_a_read_in_begins_with_the_principal_components():
    x = np.random.default_rng(0).gamma(1.0, size=(60, 5)) * [3, 1, 2, 0.5, 0.1]
    weight = principal_axes(torch.from_numpy(x), 3).double().numpy()
    reference = PCA(3).fit(x)
    np.testing.assert_allclose(np.abs(weight / np.linalg.norm(weight[0])), np.abs(reference.components_), atol=1e-5)
    scores = (x - x.mean(axis=0)) @ weight.T
    assert (np.power(scores, 3).mean(axis=0) > 0).all()
    assert np.isclose(scores.var(axis=0).sum(), 3, atol=1e-5)
    wide = principal_axes(torch.from_numpy(x), 8)
    assert wide.shape == (8, 5)
    assert not wide[5:].any()


class Pairs(Notes):
    """A callback that keeps the mined pairs."""

    @property
    def pairs(self):
        return [trace.get("mined_pairs", torch.empty(0, 2, dtype=torch.int64)) for trace in self.traces]


@pytest.mark.parametrize("pool", ["recording", "batch", "queue", "sample"])
@pytest.mark.parametrize("which", ["all", "within", "across"])
def test_mining_keeps_to_the_sessions_it_is_given(pool, which):
    seen = Pairs()
    key = {"key_bins": 2} if pool == "recording" else {}
    myow.MYOW(**MINED, pool=pool, mine_sessions=which, mined_ramp=0.0, **key).fit([A, B], callbacks=[seen])
    pairs = torch.cat(seen.pairs)
    pairs = pairs[pairs[:, 1] >= 0]
    data = Sessions({"a": A, "b": B})
    anchor, mined = (data.of[pairs[:, i]] for i in (0, 1))
    assert len(pairs) > 50
    assert set(anchor) == {0, 1}
    assert (data.groups[pairs[:, 0]] != data.groups[pairs[:, 1]]).all()
    if which == "all":
        assert (anchor == mined).any()
        assert (anchor != mined).any()
    else:
        assert ((anchor == mined) == (which == "within")).all()


def test_sessions_of_one_segment_mine_in_themselves_too():
    long = [session(name, n, n_trials=1, length=60, seed=n) for name, n in (("p", 4), ("q", 6))]
    seen = Pairs()
    myow.MYOW(**MINED, mine_sessions="within", mined_ramp=0.0).fit(long, callbacks=[seen])
    pairs = torch.cat(seen.pairs)
    assert (pairs[:, 1] >= 0).all()
    assert ((pairs < 60).sum(dim=1) != 1).all()
    assert (pairs[:, 0] - pairs[:, 1]).abs().min() >= 10  # ten bins, the least gap
    with pytest.raises(DataError, match="no candidate is left"):
        myow.MYOW(**MINED, mine_sessions="within", exclude="segment").fit(long)
    with pytest.raises(DataError, match="there is one session"):
        myow.MYOW(**MINED, mine_sessions="across").fit(A)


def test_a_run_on_two_sessions_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    model = myow.MYOW(**MINED | {"steps": 20})
    with pytest.raises(KeyboardInterrupt):
        model.fit([A, B], folder=tmp_path, callbacks=[Notes(11, KeyboardInterrupt)])
    resumed = weights(copy.deepcopy(model).fit([A, B], folder=tmp_path, resume=True))
    assert same(resumed, weights(model.fit([A, B])))
    with pytest.raises(SettingError, match="other rows"):
        model.fit([B, A], folder=tmp_path, resume=True)


# A session that comes later.


@pytest.mark.parametrize("method", [myow.MYOW, myow.BYOL, myow.SimCLR])
@pytest.mark.parametrize("known", [[A, B], [A]])
def test_adapting_moves_nothing_but_the_new_read_in(method, known):
    model = method(**SMALL, read_in=6).fit(known)
    before, z = weights(model), model.transform(A)
    first = model.network_
    assert model.adapt(C, steps=4) is model
    after = weights(model)
    new = f"read_ins.{len(known)}.weight"
    assert [k for k in after if k not in before] == [k for k in after if new in k]
    for name, tensor in before.items():
        held = after[name].reshape(-1, after[name].shape[-1]) if name.startswith("scaling") else after[name]
        if name.startswith("scaling"):
            wide = tensor.reshape(-1, tensor.shape[-1])
            assert torch.equal(held[: len(wide), : wide.shape[1]], wide), name
        else:
            assert torch.equal(held, tensor), name
    assert any("running_mean" in k for k in before)
    np.testing.assert_array_equal(model.transform(A), z)
    # It learnt: the read-in left its first value, and the averaged network took it over.
    begun = copy.deepcopy(model)
    begun.network_, begun.sessions_ = first, {r.name: model.sessions_[r.name] for r in known}
    start = weights(begun.adapt(C, steps=0))
    moved = [k for k in after if new in k]
    assert not any(torch.equal(after[k], start[k]) for k in moved)
    assert all(torch.equal(after[k], after[moved[0]]) for k in moved)
    assert list(model.sessions_)[-1] == "c"
    assert model.trained_on_[-1]["name"] == "c"
    assert all(p.requires_grad for k, p in model.network_.named_parameters() if k.startswith("online"))


@pytest.mark.parametrize("method", [myow.MYOW, myow.BYOL])
def test_a_later_session_does_not_change_what_is_embedded(method, tmp_path):
    # The first session's segments are each like certain others, so that both are embedded; the later one's are not.
    rng = np.random.default_rng(0)
    kind, bins = np.repeat(rng.integers(6, size=120), 8), np.tile(np.arange(8), 120)
    patterns = rng.normal(size=(8, 30))

    def told_by(what, name):
        values = patterns[what] + 0.7 * rng.normal(size=(960, 30))
        return myow.Recording(values, bin_size=0.1, segments=np.repeat(np.arange(120), 8), kind="continuous", name=name)

    first, later = told_by(kind, "first"), told_by(bins, "later")
    model = method(steps=3, batch_size=64, dim=8, hidden=(8,), read_in=8, random_state=0, device="cpu").fit([first])
    fixed = copy.deepcopy(model)
    fixed.network_.embedded.kind = "both"
    np.testing.assert_array_equal(model.transform(first), fixed.transform(first))
    before = model.transform(first)
    model.adapt(later, steps=3)
    np.testing.assert_array_equal(model.transform(first), before)
    model.save(tmp_path / "m.myow")
    np.testing.assert_array_equal(
        myow.load_model(tmp_path / "m.myow", device="cpu").transform(later), model.transform(later)
    )


def test_an_adapted_model_is_saved_and_loaded(two, tmp_path):
    model = copy.deepcopy(two).adapt(C, name="later", steps=2)
    model.save(tmp_path / "m.myow")
    loaded = myow.load_model(tmp_path / "m.myow", device="cpu")
    np.testing.assert_array_equal(loaded.transform(C), model.transform(C))
    assert list(loaded.sessions_) == ["a", "b", "later"]
    again = session("d", 3, seed=5)
    one, other = weights(loaded.adapt(again, steps=2)), weights(model.adapt(again, steps=2))
    assert same(one, other)


def test_a_stopped_adaptation_leaves_the_model_and_goes_on(two, tmp_path):
    model = copy.deepcopy(two)
    before = weights(model)
    with pytest.raises(KeyboardInterrupt):
        model.adapt(C, steps=20, folder=tmp_path, callbacks=[Notes(11, KeyboardInterrupt)])
    assert same(weights(model), before)
    assert list(model.sessions_) == ["a", "b"]
    whole = weights(copy.deepcopy(two).adapt(C, steps=20))
    assert same(weights(model.adapt(C, steps=20, folder=tmp_path, resume=True)), whole)
    with pytest.raises(SettingError, match="other model"):
        model.adapt(session("e", 3), steps=20, folder=tmp_path, resume=True)


def test_candidates_come_from_sessions_that_were_trained_on(two):
    seen = Pairs()
    model = copy.deepcopy(two)
    model.mine_sessions = "across"
    model.network_.mining = replace(model.network_.mining, mine_sessions="across")
    model.adapt(C, steps=4, with_=[B], callbacks=[seen])
    pairs = torch.cat(seen.pairs)
    pairs = pairs[pairs[:, 1] >= 0]
    assert (pairs[:, 0] >= len(B)).all()
    assert (pairs[:, 1] < len(B)).all()
    assert len(pairs)
    with pytest.raises(DataError, match="there is one session"):
        model.adapt(session("d", 3), steps=2)
    with pytest.raises(DataError, match="no session fits c2"):
        model.adapt(session("d", 3), steps=2, with_=[session("c2", 4)])


def test_sliced_distance_is_that_of_quantiles_along_lines():
    rng = np.random.default_rng(0)
    x, y, u = rng.normal(size=(40, 3)), rng.normal(1, 2, size=(25, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    levels = np.linspace(0.01, 0.99, 99)
    by_hand = np.mean((np.quantile(x @ u, levels, axis=0) - np.quantile(y @ u, levels, axis=0)) ** 2)
    found = sliced_distance(*(torch.from_numpy(v) for v in (x, y, u)))
    np.testing.assert_allclose(found, by_hand, rtol=1e-10)
    assert float(sliced_distance(torch.from_numpy(x), torch.from_numpy(x[::-1].copy()), torch.from_numpy(u))) < 1e-20


def test_a_readout_of_known_sessions_reads_a_session_that_came_later():
    settings = MINED | {"steps": 100, "batch_size": 64, "hidden": (32,), "dim": 8, "mined_projector": (32, 8)}
    known = [states(40, 24, "a"), states(41, 18, "b")]
    later = states(42, 20, "c")
    truth = later.labels["state"]
    model = myow.MYOW(**settings | {"read_in": 8, "predictor": 16, "mined_predictor": 16}).fit(known)
    read = LogisticRegression().fit(
        np.concatenate([model.transform(r) for r in known]), np.concatenate([r.labels["state"] for r in known])
    )
    begun = read.score(copy.deepcopy(model).adapt(later, steps=0).transform(later), truth)
    model.adapt(later)
    adapted = read.score(model.transform(later), truth)
    # The same scaling and encoder behind a read-in that was never trained, nor made of principal components.
    untrained = []
    for seed in range(5):
        weight = torch.randn(8, 20, generator=torch.Generator().manual_seed(seed)) / 20**0.5
        for encoder in read_in_encoders(model.network_):
            encoder.put(2, weight)
        untrained.append(read.score(model.transform(later), truth))
    commonest = np.bincount(truth).max() / len(truth)
    assert adapted > commonest + 0.2
    assert adapted > np.mean(untrained) + 0.2
    assert adapted > begun + 0.03


# What is refused.


def test_a_recording_of_no_session_is_refused_with_what_was_trained_on(two):
    listed = r"a \(7 units in bins of 0.1 s\); b \(5 units in bins of 0.1 s\)"
    with pytest.raises(DataError, match=f"no session fits c, which has 9 units; the model was trained on {listed}"):
        two.transform(C)
    with pytest.raises(DataError, match="session a was trained on 7 units, but b has 5"):
        two.transform(B, session="a")
    with pytest.raises(DataError, match=f"no session 'z'; the model was trained on {listed}"):
        two.transform(A, session="z")
    with pytest.raises(DataError, match=r"holds counts in bins of 0\.2 s, but the model was trained on counts: a"):
        two.transform(myow.Recording(A.counts, bin_size=0.2))
    with pytest.raises(DataError, match="no session fits other"):
        two.transform(replace(session("other", 7, seed=9)))
    assert two.transform(np.array(A.counts)).shape == (len(A), 4)
    np.testing.assert_array_equal(two.transform(np.array(A.counts)), two.transform(A))
    with pytest.raises(DataError, match="no session 'b'; the model was trained on a"):
        myow.BYOL(**SMALL).fit(A).transform(A, session="b")


def test_sessions_of_the_same_units_have_to_be_named():
    other = session("a2", 7, seed=3)
    model = myow.BYOL(**SMALL).fit([A, other])
    with pytest.raises(DataError, match=r"several sessions fit this recording \(a, a2\)"):
        model.transform(np.array(A.counts))
    assert model.transform(other).shape == (len(other), 4)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (
            [A, myow.Recording(A.counts, bin_size=0.2, name="slow")],
            "a holds counts in bins of 0.1 s, but slow counts in",
        ),
        ([A, myow.Recording(A.counts + 0.5, bin_size=0.1, kind="continuous", name="smooth")], "but smooth continuous"),
        ([A, np.array(B.counts)], "session session2 is a ndarray"),
        ({}, "no session to learn from"),
    ],
)
def test_what_is_no_set_of_sessions_is_refused(parts, why):
    with pytest.raises(DataError, match=why):
        myow.MYOW(**MINED).fit(parts)


def test_methods_without_read_ins_say_that_they_learn_from_one_recording():
    for method in (myow.PCA, myow.RP, myow.Autoencoder, myow.Untrained):
        with pytest.raises(DataError, match=f"{method.__name__} learns from one recording and was given 2; MYOW"):
            method().fit([A, B])
    with pytest.raises(SettingError, match="the model has no read-in"):
        myow.MYOW(**SMALL).fit(A).adapt(B)


def test_an_adaptation_that_cannot_work_is_refused(two):
    with pytest.raises(DataError, match="session a was trained on already"):
        two.adapt(A)
    with pytest.raises(SettingError, match="align is -1"):
        copy.deepcopy(two).set_params(align=-1).adapt(C)
    with pytest.raises(SettingError, match="resume needs the folder"):
        two.adapt(C, resume=True)
    with pytest.raises(SettingError, match="read_in is 0"):
        myow.MYOW(**MINED | {"read_in": 0}).fit([A, B])
    with pytest.raises(DataError, match=r"in bins of 0\.2 s, but the model was trained on"):
        two.adapt(myow.Recording(C.counts, bin_size=0.2))
    with pytest.raises(SettingError, match="mine_sessions"):
        myow.MYOW(**MINED, mine_sessions="some").fit([A, B])


# Trials laid on those of a known session.


def test_trajectories_are_what_interpolation_says():
    rng = np.random.default_rng(0)
    groups = np.repeat([4, 2, 9, 2], [5, 1, 8, 2])
    x = rng.normal(size=(16, 3))
    found = trajectories(lambda rows: x[rows], groups)
    assert found.shape == (4, 6, 3)
    for number, (start, n) in enumerate(((0, 5), (5, 1), (6, 8), (14, 2))):
        at = np.linspace(0, n - 1, 6)
        for d in range(3):
            np.testing.assert_allclose(found[number, :, d], np.interp(at, np.arange(n), x[start : start + n, d]))
    assert trajectories(lambda rows: np.zeros((len(rows), 2)), np.repeat(np.arange(500), 2)).shape == (200, 6, 2)


def reaches(seed, n_trials):
    """Trials of six kinds in six dimensions: a course in time that all share, and directions at unequal angles."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(6, n_trials, p=[0.3, 0.1, 0.2, 0.1, 0.2, 0.1])
    angle = np.array([0, 0.5, 1.4, 2.9, 3.6, 4.9])[kind][:, None]
    time = np.linspace(0, 1, 6)
    course = np.stack([2 * time, np.sin(3 * time)], axis=1)[None].repeat(n_trials, axis=0)
    ways = np.stack([np.cos(angle) * time, np.sin(angle) * time * 0.8], axis=2)
    rest = np.zeros((n_trials, 6, 2))
    return np.concatenate([course, 2 * ways, rest], axis=2) + rng.normal(0, 0.1, (n_trials, 6, 6)), kind


@pytest.mark.parametrize("seed", range(4))
def test_the_turn_between_two_sessions_is_found_without_labels(seed):
    (x, kinds), (y, other) = reaches(seed, 60), reaches(seed + 50, 48)
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]  # mirror images among them
    turn, left = turn_between(x, y @ turned)
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-8)
    back = y @ turned @ turn
    nearest = ((back[:, None] - x[None]) ** 2).sum(axis=(2, 3)).argmin(axis=1)
    assert (kinds[nearest] == other).mean() > 0.9
    assert left < 0.1
    noise = np.random.default_rng(seed).normal(size=(48, 6, 6))
    assert turn_between(x, noise)[1] > 3 * left


def test_a_read_in_begins_where_trials_match():
    settings = MINED | {"steps": 60, "batch_size": 64, "hidden": (32,), "dim": 8, "read_in": 8}
    tuning = [np.linalg.qr(np.random.default_rng(n).normal(size=(30, 6)))[0].T for n in (3, 4)]
    made = []
    for (x, kinds), axes, name in zip((reaches(0, 60), reaches(1, 60)), tuning, "ab", strict=True):
        labels = {"kind": kinds.repeat(6)}
        values = x.reshape(-1, 6) @ axes
        trial = np.arange(60).repeat(6)
        made.append(myow.Recording(values, bin_size=0.1, segments=trial, labels=labels, kind="continuous", name=name))
    first, later = made
    model = myow.MYOW(**settings).fit([first])
    read = LogisticRegression(max_iter=1000).fit(model.transform(first), first.labels["kind"])
    apart = copy.deepcopy(model).adapt(later, steps=0)
    matched = copy.deepcopy(model).adapt(later, steps=0, with_=[first])
    scores = [read.score(one.transform(later), later.labels["kind"]) for one in (apart, matched)]
    assert scores[1] > max(0.7, scores[0] + 0.2)
    np.testing.assert_array_equal(matched.transform(first), model.transform(first))
    # Too few trials tell nothing, and the session whose trials are most like the new one's is taken.
    few = later.select(np.arange(9 * 6))
    other = replace(first, counts=np.random.default_rng(0).normal(size=first.counts.shape), name="noise")
    both = myow.MYOW(**settings).fit([other, first])
    begun = [
        weights(copy.deepcopy(both).adapt(later, name="later", steps=0, with_=with_))
        for with_ in ([other, first], [first], [other])
    ]
    assert same(begun[0], begun[1])
    assert not same(begun[0], begun[2])
    assert same(*(weights(copy.deepcopy(model).adapt(few, steps=0, with_=w)) for w in ((), [first])))


# An encoder that goes on learning.


def test_recognition_is_what_loops_say():
    rng = np.random.default_rng(0)
    groups = np.repeat([3, 1, 7], [6, 2, 9])
    z = rng.normal(size=(17, 4)) + 2 * np.eye(4)[np.unique(groups, return_inverse=True)[1]]
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    won = []
    for i in range(17):
        lag = {3: 3, 1: 1, 7: 3}[groups[i]]
        if i + lag < 17 and groups[i + lag] == groups[i]:
            won += [unit[i] @ unit[i + lag] > unit[i] @ unit[k] for k in range(17) if groups[k] != groups[i]]
    assert recognition(z, groups, 3) == pytest.approx(np.mean(won))
    assert recognition(np.ones((17, 4)), groups, 3) == 0.5  # a point tells nothing apart
    assert np.isnan(recognition(z, np.zeros(17, dtype=int), 3))


@pytest.mark.parametrize("method", [myow.MYOW, myow.BYOL, myow.SimCLR])
def test_an_unfrozen_encoder_learns_and_says_which_was_better(method, tmp_path):
    later = session("c", 5, n_trials=16, seed=3)
    model = method(**SMALL, read_in=6).fit([A, B])
    before, kept = weights(model), copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.adapt(later, steps=4, unfreeze="encoder")
    after = weights(model)
    assert any(not torch.equal(after[k], before[k]) for k in before if "encoder" in k and "read_ins" not in k)
    for number in (0, 1):  # nothing of theirs was trained on
        own = [k for k in before if "target" not in k and f"read_ins.{number}." in k]
        assert own
        assert all(torch.equal(after[k], before[k]) for k in own)
    told = model.trained_on_[-1]["recognition"]
    assert set(told) == {"read_in", "encoder"}
    assert all(0 <= value <= 1 for value in told.values())
    assert model.trained_on_[-1]["digest"] == later.digest()
    assert model.transform(later).shape == (len(later), model.transform(A).shape[1])
    model.save(tmp_path / "m.myow")
    loaded = myow.load_model(tmp_path / "m.myow", device="cpu")
    np.testing.assert_array_equal(loaded.transform(later), model.transform(later))
    assert loaded.trained_on_[-1]["recognition"] == told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        kept.adapt(later, steps=4, unfreeze="encoder", with_=[A, B])
    moved = weights(kept)
    assert all(not torch.equal(moved[k], before[k]) for k in before if "target" not in k and "read_ins" in k)


def test_held_out_segments_are_not_trained_on(two, monkeypatch):
    later = session("c", 5, n_trials=16, seed=3)
    held = fold_rows(later, 8, gap=None)[0][2]
    other = replace(later, counts=np.where(np.isin(np.arange(len(later)), held)[:, None], 9, later.counts))
    models = []
    for one in (later, other):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            models.append(copy.deepcopy(two).adapt(one, steps=3, unfreeze="encoder"))
    assert same(*map(weights, models))
    assert models[0].trained_on_[-1]["recognition"] != models[1].trained_on_[-1]["recognition"]


def test_a_stopped_adaptation_of_the_encoder_goes_on(two, tmp_path):
    later = session("c", 5, n_trials=16, seed=3)
    model = copy.deepcopy(two)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(KeyboardInterrupt):
            model.adapt(later, steps=20, unfreeze="encoder", folder=tmp_path, callbacks=[Notes(11, KeyboardInterrupt)])
        whole = weights(copy.deepcopy(two).adapt(later, steps=20, unfreeze="encoder"))
        gone_on = model.adapt(later, steps=20, unfreeze="encoder", folder=tmp_path, resume=True)
    assert same(weights(gone_on), whole)
    with pytest.raises(UnknownNameError, match="unfreeze"):
        copy.deepcopy(two).adapt(later, unfreeze="all")


def test_what_is_embedded_stays_what_it_was(two):
    model = copy.deepcopy(two)
    choices = [part for part in model.network_.modules() if isinstance(part, EmbeddingChoice)]
    assert choices
    for part in choices:
        assert part.auto
        part.place.fill_(2)
        part.read_place()
    for options in ({}, {"unfreeze": "encoder"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            adapted = copy.deepcopy(model).adapt(session("c", 5, n_trials=16, seed=3), steps=2, **options)
        kinds = {(p.kind, p.auto, int(p.place)) for p in adapted.network_.modules() if isinstance(p, EmbeddingChoice)}
        assert kinds == {("both", True, 2)}
