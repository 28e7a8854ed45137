"""The loop: batches, the same seed twice, early failure, and resuming to the same bits."""

import contextlib
import itertools
import json

import numpy as np
import pytest
import torch
from tiny import SMALL, SMALL_MINING, Notes, reach
from torch import nn

from myow import BYOL, MYOW
from myow.errors import FileError, SettingError, TrainingError
from myow.nn.scaling import transform_values
from myow.training.loop import train
from myow.training.module import TrainingConfig, TrainingModule
from myow.training.rows import BatchStream, TrainingRows

CPU = torch.device("cpu")


# Batches


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 4), (7, 7), (5, 8), (12, 5)])
def test_every_row_comes_once_a_pass_and_batches_are_full(n_rows, batch_size):
    stream = BatchStream(n_rows, batch_size, torch.Generator().manual_seed(0))
    batches = [stream.next() for _ in range(3 * n_rows)]
    assert {len(b) for b in batches} == {min(n_rows, batch_size)}
    drawn = torch.cat(batches)
    passes = drawn[: len(drawn) // n_rows * n_rows].reshape(-1, n_rows)
    assert torch.equal(passes.sort(dim=1).values, torch.arange(n_rows).expand_as(passes))
    assert len({tuple(p.tolist()) for p in passes}) > 1


def test_batches_follow_the_seed():
    first, again, other = (BatchStream(50, 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    a, b, c = ([s.next().tolist() for _ in range(10)] for s in (first, again, other))
    assert a == b != c


# Randomness


POOLS = [{"pool": "batch", "mined_anchor": "view"}, {"pool": "sample"}, {"pool": "recording", "pool_refresh": 4}]
RUNS = [
    pytest.param(BYOL, {}, id="byol"),
    *(pytest.param(MYOW, SMALL_MINING | pool, id=f"myow-{pool['pool']}") for pool in POOLS),
    pytest.param(MYOW, SMALL_MINING | {"optimizer": "sgd", "learning_rate": 0.05}, id="sgd"),
    pytest.param(MYOW, SMALL_MINING | {"optimizer": "sgd", "momentum": 0.0}, id="sgd-without-momentum"),
    pytest.param(MYOW, SMALL_MINING | {"optimizer": "lars", "learning_rate": 0.5}, id="lars"),
    pytest.param(BYOL, {"activation": "prelu", "context": (1, 1), "encoder": "mlp", "projector": (8, 5)}, id="context"),
]


@pytest.mark.parametrize(("estimator", "settings"), RUNS)
def test_the_same_seed_gives_the_same_embedding_and_another_seed_another(estimator, settings):
    rec = reach()
    first, again, other = (
        estimator(**SMALL | settings | {"random_state": seed}).fit(rec).transform(rec) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


class CountThreads:
    """A callback that notes on how many threads training runs, and may end it."""

    def __init__(self, error=None):
        self.error, self.seen = error, set()

    def begin(self, step, total):
        pass

    def step(self, step):
        self.seen.add(torch.get_num_threads())
        if self.error is not None:
            raise self.error

    def record(self, step, metrics, traces):
        pass

    def end(self):
        pass


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (2, 2), (None, 3)])
def test_a_fit_uses_its_own_number_of_threads_and_puts_the_old_one_back(threads, expected, error):
    before, count = torch.get_num_threads(), CountThreads(error)
    torch.set_num_threads(3)
    try:
        with pytest.raises(KeyboardInterrupt) if error else contextlib.nullcontext():
            BYOL(**SMALL | {"threads": threads, "steps": 2}).fit(reach(), callbacks=[count])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert count.seen == {expected}


def test_fewer_than_one_thread_are_refused():
    with pytest.raises(SettingError, match="threads is 0"):
        BYOL(**SMALL | {"threads": 0}).fit(reach())


def test_global_random_state_is_neither_used_nor_moved():
    rec, found = reach(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the global state is the point)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        found.append(MYOW(**SMALL, **SMALL_MINING).fit(rec).transform(rec))
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert np.array_equal(*found)


def test_the_mined_term_moves_the_weights():
    rec = reach()
    without, little, much = (
        MYOW(**SMALL, **SMALL_MINING, mined_weight=w).fit(rec).transform(rec) for w in (0.0, 0.3, 0.9)
    )
    assert np.abs(without - little).max() > 1e-4
    assert np.abs(little - much).max() > 1e-4


def test_byol_learns_to_predict():
    notes = Notes()
    BYOL(**SMALL | {"steps": 60, "batch_size": 96, "learning_rate": 5e-3}).fit(reach(), callbacks=[notes])
    losses = [m["loss"] for m in notes.metrics]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])


# What callbacks are told


def test_callbacks_see_every_step_and_the_terms_of_the_loss():
    notes = Notes()
    model = MYOW(**SMALL, **SMALL_MINING).fit(reach(), callbacks=[notes])
    assert notes.began == (0, 12)
    assert notes.steps == list(range(1, 13))
    assert notes.ended == 1
    assert model.n_steps_ == 12
    assert [m["step"] for m in notes.metrics] == list(range(1, 13))
    last = notes.metrics[-1]
    measured = {"effective_rank", "alignment", "uniformity", "hubness"}
    assert set(last) == {"step", "loss", "augmented", "mined", "learning_rate"} | measured
    assert last["loss"] == pytest.approx(0.6 * last["augmented"] + 0.4 * last["mined"], rel=1e-5)
    assert 1 <= last["effective_rank"] <= 6
    assert {name: t.shape for name, t in notes.traces[-1].items()} == {
        "mined_pairs": (64, 2), "neighbour_pairs": (96, 2)
    }  # fmt: skip


def test_old_names_still_work_and_say_what_they_are_called_now():
    notes = Notes()
    with pytest.warns(DeprecationWarning, match="watchers= is called callbacks="):
        model = BYOL(**SMALL).fit(reach(), watchers=[notes])
    assert notes.steps == list(range(1, 13))
    with pytest.warns(DeprecationWarning, match="method_ is called network_"):
        assert model.method_ is model.network_
    with pytest.warns(DeprecationWarning, match="plan is called training_config"):
        assert model.plan(96) == model.training_config(96)


def test_the_learning_rate_reaches_the_optimizer():
    notes = Notes()
    BYOL(**SMALL | {"warmup": 0.5, "learning_rate": 0.01}).fit(reach(), callbacks=[notes])
    rates = [m["learning_rate"] for m in notes.metrics]
    assert rates[:7] == pytest.approx([0.01 * i / 6 for i in range(7)])
    assert rates[-1] < rates[6]


def test_the_first_step_of_a_warm_up_moves_no_weight_and_the_target_follows_the_online_network():
    rec, settings = reach(), SMALL | {"warmup": 0.5, "target_momentum": 0.6, "encoder": "mlp"}
    start = BYOL(**settings).initialise(rec).network_
    seen = []

    class Look(Notes):
        def step(self, step):
            tied = zip(model.network_.target.parameters(), model.network_.online.parameters(), strict=True)
            seen.append([(t.clone(), o.detach().clone()) for t, o in tied])

    model = BYOL(**settings)
    model.fit(rec, callbacks=[Look()])
    assert len(seen) == 12
    for (target, online), first in zip(seen[0], start.online.parameters(), strict=True):
        assert torch.equal(online, first)
        assert torch.equal(target, first)
    moved = [
        not torch.equal(online, first) for (_, online), first in zip(seen[1], start.online.parameters(), strict=True)
    ]
    assert all(moved)
    for before, after in itertools.pairwise(seen):
        for (old, _), (target, online) in zip(before, after, strict=True):
            torch.testing.assert_close(target, 0.6 * old + 0.4 * online)


def test_epochs_decide_in_place_of_steps():
    assert BYOL(**SMALL, epochs=2).fit(reach()).n_steps_ == 6  # 96 rows in batches of 32


# Early failure


class Faulty(TrainingModule):
    """Fails in the way asked for once `at` steps are done."""

    def __init__(self, how, at=3):
        super().__init__(10)
        self.layer = nn.Linear(10, 4)
        self.how, self.left, self.released = how, at, False

    def make_views(self, rows, generator):
        return self.data.gather(rows).squeeze(1)

    def loss(self, views):
        self.left -= 1
        loss = self.layer(views).square().mean()
        return {"loss": loss * (float("nan") if self.how == "nan" and self.left <= 0 else 1)}

    def embed(self, x):
        z = self.layer(x.squeeze(1))
        if self.left > 0:
            return z
        return {"nan": z, "point": torch.ones_like(z), "infinite": z * torch.inf, "one direction": z.abs()[:, :1]}[
            self.how
        ]

    def release(self):
        super().release()
        self.released = True


CONFIG = TrainingConfig(
    steps=20,
    batch_size=8,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.0,
    momentum=0.9,
    warmup=0.0,
    schedule="constant",
)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("nan", "loss became nan at step 3; lower learning_rate"),
        ("infinite", "the embedding is no longer finite at step 3"),
        ("point", "the embedding collapsed to one point by step 3"),
        ("one direction", "the embedding collapsed to one point by step 3"),
    ],
)
def test_broken_training_stops_at_once_and_says_why(how, text):
    rec = reach()
    rows = TrainingRows(rec, transform_values(torch.from_numpy(rec.counts.copy()), "sqrt", 0.1), (0, 0), CPU)
    module, notes = Faulty(how), Notes()
    with pytest.raises(TrainingError, match=text):
        train(module, rows, CONFIG, torch.Generator().manual_seed(0), [notes])
    assert notes.ended == 1
    assert notes.steps == [1, 2]
    assert module.released
    assert not module.training


def test_a_learning_rate_far_too_high_is_a_training_error_and_leaves_no_broken_checkpoint(tmp_path):
    model = BYOL(**SMALL | {"optimizer": "sgd", "learning_rate": 1e30, "warmup": 0.0, "steps": 100})
    with pytest.raises(TrainingError, match="lower learning_rate"):
        model.fit(reach(), folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.lock"]  # empty; it stays


# Resuming


def weights(model):
    return {k: v.clone() for k, v in model.network_.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("stop", [1, 5, 11])
@pytest.mark.parametrize(("estimator", "settings"), RUNS)
def test_a_resumed_run_ends_at_the_same_bits(tmp_path, estimator, settings, stop):
    rec, make = reach(drop=0.1), lambda: estimator(**SMALL | settings)
    undisturbed, kept = Notes(), Notes()
    expected = make().fit(rec, callbacks=[undisturbed])
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(rec, folder=tmp_path, callbacks=[Notes(fail_at=stop, error=KeyboardInterrupt)])
    assert np.isfinite(model.transform(rec)).all()  # what was learnt so far can be used
    resumed = make().fit(rec, folder=tmp_path, resume=True, callbacks=[kept])
    assert_same(weights(expected), weights(resumed))
    assert np.array_equal(expected.transform(rec), resumed.transform(rec))
    assert resumed.n_steps_ == 12
    # It went on, rather than starting again, and measured the same.
    assert kept.began == (stop - 1, 12)
    assert kept.metrics == undisturbed.metrics[stop - 1 :]


def test_steps_between_checkpoints_are_done_again(tmp_path):
    rec, settings = reach(), SMALL | {"steps": 40}  # a checkpoint every 4 steps
    expected = MYOW(**settings).fit(rec)
    for stop in (3, 10, 27, 39):
        with pytest.raises(RuntimeError, match="stopped by the test"):
            MYOW(**settings).fit(rec, folder=tmp_path, resume=True, callbacks=[Notes(fail_at=stop)])
    notes = Notes()
    resumed = MYOW(**settings).fit(rec, folder=tmp_path, resume=True, callbacks=[notes])
    assert notes.began == (36, 40)
    assert_same(weights(expected), weights(resumed))


def test_resuming_with_nothing_saved_starts_afresh(tmp_path):
    rec, notes = reach(), Notes()
    resumed = BYOL(**SMALL).fit(rec, folder=tmp_path, resume=True, callbacks=[notes])
    assert notes.began == (0, 12)
    assert_same(weights(BYOL(**SMALL).fit(rec)), weights(resumed))


@pytest.mark.parametrize(("estimator", "settings"), RUNS)
def test_resuming_a_finished_run_does_nothing(tmp_path, estimator, settings):
    rec, notes = reach(), Notes()
    first = estimator(**SMALL | settings).fit(rec, folder=tmp_path)
    before = (tmp_path / "checkpoint.safetensors").stat()
    again = estimator(**SMALL | settings).fit(rec, folder=tmp_path, resume=True, callbacks=[notes])
    assert notes.began == (12, 12)
    assert notes.steps == notes.metrics == []
    assert_same(weights(first), weights(again))
    assert again.n_steps_ == 12
    after = (tmp_path / "checkpoint.safetensors").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_without_resume_an_old_checkpoint_is_not_used(tmp_path):
    rec, notes = reach(), Notes()
    BYOL(**SMALL).fit(rec, folder=tmp_path)
    BYOL(**SMALL | {"steps": 7}).fit(rec, folder=tmp_path, callbacks=[notes])
    assert notes.began == (0, 7)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dim": 7}, "dim"),
        ({"steps": 13}, "steps"),
        ({"hidden": [17]}, "hidden"),
        ({"k": np.int64(3)}, "k"),
        ({"random_state": 1}, "random_state"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused_and_says_which(tmp_path, change, named):
    MYOW(**SMALL | {"hidden": [16], "k": np.int64(2)}).fit(reach(), folder=tmp_path)
    with pytest.raises(SettingError, match=f"belongs to a run with other {named}; use the same settings"):
        MYOW(**SMALL | {"hidden": [16], "k": np.int64(2)} | change).fit(reach(), folder=tmp_path, resume=True)


def test_no_checkpoint_is_kept_of_a_step_that_was_no_number(tmp_path):
    calls = itertools.count(1)

    def breaks(x, generator):
        return x * (torch.nan if next(calls) == 9 else 1.0)

    settings = SMALL | {"steps": 99, "augment": breaks}
    assert (
        BYOL(**settings).training_config(96).checkpoint_every == 9
    )  # and what is measured every other step would see it at step 10
    with pytest.raises(TrainingError, match="step 9"):
        BYOL(**settings).fit(reach(), folder=tmp_path)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_checkpoint_of_other_rows_or_another_method_is_refused(tmp_path):
    BYOL(**SMALL).fit(reach(), folder=tmp_path)
    with pytest.raises(SettingError, match="other rows"):
        BYOL(**SMALL).fit(reach(seed=1), folder=tmp_path, resume=True)
    with pytest.raises(SettingError, match="method"):
        MYOW(**SMALL).fit(reach(), folder=tmp_path, resume=True)


def test_the_device_may_differ_when_resuming(tmp_path):
    BYOL(**SMALL).fit(reach(), folder=tmp_path)
    assert BYOL(**SMALL | {"device": "cpu:0"}).fit(reach(), folder=tmp_path, resume=True).n_steps_ == 12


def rewrite(path, tensors=None, header=None):
    """Write a whole safetensors file whose content is not what it should be."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    held = load_file(path)
    if header is not None:
        metadata = {"checkpoint": header(json.loads(metadata["checkpoint"]))}
    save_file(tensors(held) if tensors else held, path, metadata=metadata)


def test_a_checkpoint_of_another_kind_of_device_says_where_to_resume(tmp_path):
    BYOL(**SMALL).fit(reach(), folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    rewrite(path, header=lambda h: json.dumps(h | {"device": "cuda"}))
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"begun on device 'cuda'.*resume with device='cuda'"):
        BYOL(**SMALL).fit(reach(), folder=tmp_path, resume=True)
    assert path.read_bytes() == before
    # Written before the device was.
    rewrite(path, header=lambda h: json.dumps({k: v for k, v in h.items() if k != "device"}))
    assert BYOL(**SMALL).fit(reach(), folder=tmp_path, resume=True).n_steps_ == 12


DAMAGE = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "empty": lambda p: p.write_bytes(b""),
    "garbage": lambda p: p.write_bytes(b"not a checkpoint" * 100),
    "flipped header": lambda p: p.write_bytes(b"\xff" * 8 + p.read_bytes()[8:]),
    "lost tensor": lambda p: rewrite(p, lambda t: {k: v for k, v in t.items() if k != "generator"}),
    "lost weight": lambda p: rewrite(p, lambda t: {k: v for k, v in t.items() if "encoder" not in k}),
    "wrong shape": lambda p: rewrite(p, lambda t: {k: v[:1] if v.ndim else v for k, v in t.items()}),
    "no step": lambda p: rewrite(p, header=lambda h: json.dumps({"identity": h["identity"]})),
    "no mapping": lambda p: rewrite(p, header=lambda h: json.dumps([1, 2])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, damage):
    BYOL(**SMALL).fit(reach(), folder=tmp_path)
    DAMAGE[damage](tmp_path / "checkpoint.safetensors")
    with pytest.raises(FileError, match=r"is not a whole checkpoint .*; remove it to start afresh") as error:
        BYOL(**SMALL).fit(reach(), folder=tmp_path, resume=True)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        BYOL(**SMALL).fit(reach(), folder=tmp_path / "missing")
