"""Steps that are recorded and replayed: the same bits as steps in Python, nothing that waits for a GPU, and what is refused."""

import contextlib
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from tiny import SMALL, SMALL_MINING, Notes, reach, sleep
from tiny_images import tiny_images
from torch.utils._python_dispatch import TorchDispatchMode

from myow import BYOL, MYOW, RP, ImageBYOL, ImageMYOW, ImageSimCLR, SimCLR
from myow.errors import SettingError
from myow.methods.presets import preset
from myow.settings import parse_settings
from myow.training import loop
from myow.training.cuda_graph import CapturedStep, CudaGraphs, is_captured
from myow.training.optim import LARS, _spread, update_ema
from myow.training.rows import ImageRows, LookedUpRows, TrainingRows

MINED = SMALL | SMALL_MINING | {"steps": 30, "pool_refresh": 4, "mined_start": 0.2, "mined_ramp": 0.4}
TINY = {"batch_size": 32, "steps": 30, "epochs": None, "random_state": 0, "device": "cpu"}
V1 = preset("v1-reaching", MYOW) | TINY | {"pool_size": 40, "mined_start": 0.1}
CONTRAST = {k: v for k, v in SMALL.items() if k != "predictor"} | {"steps": 30}
BEFORE, REFRESH, MINING = (False, False), (True, True), (True, False)  # mining at all, and refreshing the bank
ALL = {BEFORE, REFRESH, MINING}
RUNS = [
    pytest.param(MYOW, MINED, reach(), ALL, id="default"),
    pytest.param(MYOW, MINED | {"optimizer": "lars", "learning_rate": 0.5}, reach(), ALL, id="lars"),
    pytest.param(MYOW, MINED | {"optimizer": "sgd", "learning_rate": 0.1}, reach(), ALL, id="sgd"),
    pytest.param(MYOW, MINED | {"pool": "queue", "pool_size": 40, "views": 2}, reach(), {BEFORE, MINING}, id="queue"),
    pytest.param(MYOW, MINED | {"context": (1, 1), "activation": "prelu"}, reach(), ALL, id="context"),
    pytest.param(MYOW, V1, reach(), {BEFORE, MINING}, id="v1-reaching"),
    pytest.param(MYOW, preset("v2-reaching", MYOW) | TINY, reach(), {BEFORE, MINING}, id="v2-reaching"),
    pytest.param(
        MYOW, preset("v2-rodent", MYOW) | TINY | {"exclude_gap": 60.0}, sleep(), {BEFORE, MINING}, id="v2-rodent"
    ),
    pytest.param(MYOW, SMALL | {"steps": 30, "mined_weight": 0.0}, reach(), {BEFORE}, id="unmined"),
    pytest.param(BYOL, SMALL | {"steps": 30, "target_schedule": "cosine"}, reach(), {None}, id="byol"),
    pytest.param(BYOL, preset("v1-reaching", BYOL) | TINY, reach(), {None}, id="byol-v1"),
    pytest.param(SimCLR, CONTRAST, reach(), {None}, id="simclr"),
]

SMALL_IMAGES = {
    "encoder": "resnet10", "width": 2, "steps": 30, "epochs": None, "batch_size": 16, "projector": (12, 6), "device": "cpu",
    "random_state": 0, "threads": 1, "solarise": 0.2, "learning_rate": 0.02,
}  # fmt: skip
PREDICTED = SMALL_IMAGES | {"predictor": 12}
MINED_IMAGES = PREDICTED | {"mined_projector": (12, 4), "mined_predictor": 8, "pool_size": 24, "mined_start": 0.3}
AS_PUBLISHED = {"pool": "sample", "mined_anchor": "row", "symmetric": False}
IMAGE_RUNS = [
    pytest.param(ImageBYOL, PREDICTED, {None}, id="byol"),
    pytest.param(ImageSimCLR, SMALL_IMAGES, {None}, id="simclr"),
    pytest.param(ImageMYOW, MINED_IMAGES, {BEFORE, MINING}, id="queue"),
    pytest.param(ImageMYOW, MINED_IMAGES | AS_PUBLISHED, {BEFORE, MINING}, id="sample"),
    pytest.param(ImageMYOW, MINED_IMAGES | {"pool": "batch", "k": 3}, {BEFORE, MINING}, id="batch"),
]


class Operations(TorchDispatchMode):
    """Notes what is done to which shapes, and refuses what a GPU would be waited for, but for numbers that may be read."""

    waiting = frozenset(("_local_scalar_dense", "is_nonzero", "item", "equal", "lift_fresh"))
    of_unknown_shape = frozenset(
        ("nonzero", "masked_select", "bincount", "repeat_interleave", "unique_dim", "_unique2")
    )

    def __init__(self, readable=()):
        super().__init__()
        self.readable, self.done = {r.data_ptr() for r in readable}, []

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for name in ("tolist", "numpy", "cpu", "__array__"):  # of these nothing is dispatched on a CPU
            self.patch.setattr(torch.Tensor, name, partial(self.refuse, name))
        return super().__enter__()

    def __exit__(self, *error):
        self.patch.undo()
        return super().__exit__(*error)

    def refuse(self, name, *_, **__):
        raise AssertionError(f"a GPU would be waited for by {name}")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        by_mask = "index" in name and isinstance(args[1], (list, tuple))
        if by_mask and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
            self.refuse(f"{name} with a mask")
        if name in self.of_unknown_shape:
            self.refuse(name)
        if name in self.waiting and not any(t.data_ptr() in self.readable for t in tensors):
            self.refuse(name)
        self.done.append((func, *(tuple(t.shape) for t in tensors)))
        return func(*args, **(kwargs or {}))


class StandIn:
    """Records as a GPU does, and replays by running again what was recorded, on tensors that must have stayed in place."""

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.rehearsals = self.replays = 0

    def rehearse(self, run, *, check):
        run()
        self.rehearsals += 1
        if self.rehearsals == self.fails_at:
            assert check
            raise RuntimeError("called a synchronizing CUDA operation\nand a trace")

    def places(self):
        step, taken = self.taken.step, self.taken
        assert all(group["lr"] is taken.rate for group in step.optimizer.param_groups)
        held = [v for state in step.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        module = step.module
        every = [taken.rows, taken.rate, *module.now.values(), *module.parameters(), *module.buffers(), *held]
        return {t.data_ptr() for t in every}

    def run(self, run):
        module = self.taken.step.module
        counts = [b for name, b in module.named_buffers() if name.endswith("age")]
        before = [c.clone() for c in counts]
        share = [module.now["share"]] if "share" in module.now else []  # which `update_ema` reads where there is no GPU
        with Operations(share) as operations:
            terms = run()
        assert all(map(torch.equal, counts, before))  # a replay runs no Python, and leaves what is on the CPU as it is
        return terms, operations.done

    def record(self, run):
        terms, done = self.run(run)

        def replay():
            places = self.places()
            again, now = self.run(run)
            assert now == done  # all steps of a kind do the same, in the same order
            assert self.places() == places
            for name, value in again.items():
                terms[name].copy_(value)
            self.replays += 1
            return terms

        return replay


@pytest.fixture
def stand_in(monkeypatch):
    """Let the fits that follow record and replay; returns a list that their recorders are put into."""

    def start(required=True, **options):
        used = []

        def captured_step(step):
            recorder = StandIn(**options)
            # On a CPU, AdamW computes with the rate in double precision, be it a number or a tensor.
            rate = torch.zeros((), dtype=torch.float64)
            recorder.taken = CapturedStep(step, recorder, rate, required=required)
            used.append(recorder)
            return recorder.taken

        monkeypatch.setattr(loop, "is_captured", lambda *_: True)
        monkeypatch.setattr(loop, "captured_step", captured_step)
        return used

    return start


class Stop(Exception):
    pass


def fitted(model, rec, stop=None, **options):
    notes = Notes(stop, Stop)
    with contextlib.suppress(Stop):
        model.fit(rec, callbacks=[notes], **options)
    return model.network_.state_dict(), notes.metrics


def different(found, expected):
    assert found.keys() == expected.keys()
    return [name for name, value in found.items() if not torch.equal(value, expected[name])]


# The same as in Python


@pytest.mark.parametrize(("method", "settings", "rec", "kinds"), RUNS)
def test_replayed_steps_give_the_same_bits_and_wait_for_nothing(stand_in, method, settings, rec, kinds):
    weights, metrics = fitted(method(**settings), rec)
    used = stand_in()
    found, measured = fitted(method(**settings), rec)
    assert different(found, weights) == []
    assert measured == metrics
    assert used[0].taken.recorded.keys() == kinds
    assert used[0].replays == 30


@pytest.mark.parametrize(("method", "settings", "kinds"), IMAGE_RUNS)
def test_replayed_steps_on_images_give_the_same_bits_and_wait_for_nothing(stand_in, method, settings, kinds):
    weights, metrics = fitted(method(**settings), tiny_images())
    used = stand_in()
    found, measured = fitted(method(**settings), tiny_images())
    assert different(found, weights) == []
    assert measured == metrics
    assert used[0].taken.recorded.keys() == kinds
    assert used[0].replays == 30


@pytest.mark.parametrize("stop", [4, 17])  # before mining begins, and between two refreshes
@pytest.mark.parametrize("optimizer", ["adamw", "lars", "sgd"])
@pytest.mark.parametrize("replayed", [(False, True), (True, True), (True, False)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(stand_in, monkeypatch, tmp_path, optimizer, stop, replayed):
    settings = MINED | {"optimizer": optimizer, "learning_rate": 0.05}
    weights, metrics = fitted(MYOW(**settings), reach())
    for now, options in zip(replayed, ({"stop": stop}, {"resume": True}), strict=True):
        used = stand_in() if now else []
        found, measured = fitted(MYOW(**settings), reach(), folder=tmp_path, **options)
        assert len(used) == now
        monkeypatch.undo()
    assert different(found, weights) == []
    assert measured == metrics[-len(measured) :]
    assert len(measured) == 30 - stop // 3 * 3  # a checkpoint every 3 steps


def test_a_checkpoint_belongs_to_a_run_with_and_without_a_graph(tmp_path):
    fitted(MYOW(**MINED, cuda_graph=False), reach(), 17, folder=tmp_path)
    model = MYOW(**MINED, cuda_graph="auto")
    assert different(fitted(model, reach(), folder=tmp_path, resume=True)[0], fitted(MYOW(**MINED), reach())[0]) == []


# What cannot be recorded


@pytest.mark.parametrize("fails_at", [2, 5, 9])  # in the first kind, when mining begins, and at a refresh
def test_what_cannot_be_recorded_goes_on_in_python_after_one_warning(stand_in, fails_at):
    weights, metrics = fitted(MYOW(**MINED), reach())
    used = stand_in(required=False, fails_at=fails_at)
    with pytest.warns(RuntimeWarning, match="cannot be recorded as a CUDA graph") as warned:
        found, measured = fitted(MYOW(**MINED), reach())
    assert different(found, weights) == []
    assert measured == metrics
    assert [str(w.message).count("\n") for w in warned if w.category is RuntimeWarning] == [0]
    assert used[0].rehearsals == fails_at


def test_what_cannot_be_recorded_is_an_error_if_it_was_asked_for(stand_in):
    stand_in(required=True, fails_at=2)
    with pytest.raises(SettingError, match=r"synchronizing CUDA operation\); use cuda_graph='auto'"):
        MYOW(**MINED).fit(reach())


def test_an_augmentation_that_asks_for_a_number_cannot_be_recorded(stand_in):
    stand_in(required=True)
    with pytest.raises(SettingError, match="waited for by _local_scalar_dense"):
        BYOL(**SMALL, augment=lambda x, generator: x / float(x.max())).fit(reach())


def test_too_little_memory_says_so(stand_in):
    def augment(x, generator):
        raise MemoryError

    stand_in(required=True)
    with pytest.raises(Exception, match="does not fit into the memory"):
        BYOL(**SMALL, augment=augment).fit(reach())


# Settings


@pytest.mark.parametrize("method", [MYOW, RP])
def test_a_graph_asked_for_on_a_cpu_is_refused_with_advice(method):
    settings = {"steps": 2, "device": "cpu", "random_state": 0, "cuda_graph": True}
    with pytest.raises(
        SettingError, match=r"needs a GPU and the device is cpu; use device='cuda' or cuda_graph='auto'"
    ):
        method(**settings).fit(reach())


def on_gpu(kind=TrainingRows):
    rows = object.__new__(kind)
    rows.device = torch.device("cuda")
    return rows


def config_of(**settings):
    return MYOW(**settings).training_config(100)


def test_auto_captures_recordings_and_images_on_a_gpu_and_nothing_else():
    able, unable = SimpleNamespace(static=True), SimpleNamespace(static=False)
    on_cpu = SimpleNamespace(device=torch.device("cpu"))
    auto = config_of()
    assert is_captured(auto, able, on_gpu())
    assert not is_captured(config_of(cuda_graph=False), able, on_gpu())
    assert not is_captured(auto, able, on_cpu)
    assert not is_captured(auto, unable, on_gpu())
    assert not is_captured(config_of(cuda_graph="auto", accumulate=2), able, on_gpu())
    assert is_captured(auto, able, on_gpu(ImageRows))
    assert not is_captured(auto, able, on_gpu(LookedUpRows))
    assert is_captured(config_of(cuda_graph=True), able, on_gpu(LookedUpRows))


def test_a_graph_that_cannot_be_is_refused_if_it_was_asked_for():
    with pytest.raises(SettingError, match="not made to be recorded; use cuda_graph='auto'"):
        is_captured(config_of(cuda_graph=True), SimpleNamespace(static=False), on_gpu())
    with pytest.raises(SettingError, match="use accumulate=1 or cuda_graph='auto'"):
        is_captured(config_of(cuda_graph=True, accumulate=2), SimpleNamespace(static=True), on_gpu())


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("true", True), ("false", False)])
def test_the_setting_is_read_from_text(text, value):
    assert parse_settings(MYOW, [f"cuda_graph={text}"]) == {"cuda_graph": value}
    assert config_of(cuda_graph=value).cuda_graph is value


def test_another_value_is_refused():
    with pytest.raises(SettingError, match="cuda_graph must be true or false or one of auto"):
        parse_settings(MYOW, ["cuda_graph=maybe"])
    with pytest.raises(SettingError, match="cuda_graph is 'maybe'; it must be True, False or 'auto'"):
        config_of(cuda_graph="maybe")


# Parts


def test_numbers_that_follow_progress_are_written_into_the_same_tensors():
    module = MYOW(**MINED, target_schedule="cosine").build(10)
    module.set_progress(0.3)
    first, seen = dict(module.now), set()
    assert first.keys() == {"augmented", "mined", "share"}
    for progress in (0.3, 0.5, 0.9):
        module.set_progress(progress)
        assert all(module.now[name] is held for name, held in first.items())
        now = {name: float(held) for name, held in first.items()}
        assert now == pytest.approx(module.scheduled(progress), rel=1e-6)
        seen.add(tuple(now.values()))
    assert len(seen) == 3


def test_a_number_that_stays_is_not_written_again():
    module = MYOW(**MINED).build(10)  # whose target network moves by the same share all the time
    module.set_progress(0.3)
    versions = {name: held._version for name, held in module.now.items()}
    module.set_progress(0.5)
    assert {name for name, held in module.now.items() if held._version > versions[name]} == {"augmented", "mined"}
    module.set_progress(0.3)
    assert float(module.now["mined"]) == pytest.approx(module.scheduled(0.3)["mined"])


@pytest.mark.parametrize("share", [0.004, 0.1, 0.7])
def test_a_moving_average_moves_alike_by_a_number_and_as_on_a_gpu_by_tensors(share):
    generator = torch.Generator().manual_seed(0)
    start, online = ([torch.randn(n, generator=generator) for n in (1, 7, 1000)] for _ in range(2))
    by_number, by_tensor = ([t.clone() for t in start] for _ in range(2))
    update_ema(by_number, online, torch.tensor(share))
    torch._foreach_lerp_(by_tensor, online, _spread(torch.tensor(share), by_tensor))
    for a, b, t, o in zip(by_number, by_tensor, start, online, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, t + share * (o - t))


def test_one_number_fills_tensors_of_all_shapes_and_types():
    like = [torch.ones(3, 4).T, torch.ones(()), torch.ones(7, dtype=torch.float64), torch.ones(2, 3, 2)]
    for filled, one in zip(_spread(torch.tensor(0.3), like), like, strict=True):
        assert (filled.shape, filled.stride(), filled.dtype) == (one.shape, one.stride(), one.dtype)
        assert torch.equal(filled, torch.full_like(one, float(torch.tensor(0.3))))


def test_lars_takes_its_rate_from_a_tensor():
    rate, weights = torch.tensor(0.0), []
    for given in (None, rate):
        p = torch.nn.Parameter(torch.linspace(-1, 1, 300))
        optimizer = LARS([p], lr=0.3)
        for step in range(4):
            if given is not None:
                optimizer.param_groups[0]["lr"] = given.fill_(0.3 / (step + 1))
            else:
                optimizer.param_groups[0]["lr"] = 0.3 / (step + 1)
            p.grad = p.detach().sin()
            optimizer.step()
        weights.append(p.detach())
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], torch.linspace(-1, 1, 300))


# On a GPU

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def assert_close(found, expected):
    for name, value in found.items():
        torch.testing.assert_close(value.float(), expected[name].float(), rtol=1e-2, atol=1e-3)


@needs_gpu
@pytest.mark.parametrize(("method", "settings", "rec", "kinds"), RUNS)
def test_on_a_gpu_replays_train_as_python_does(method, settings, rec, kinds):
    settings = settings | {"device": "cuda"}
    weights, metrics = fitted(method(**settings, cuda_graph=False), rec)
    found, measured = fitted(method(**settings, cuda_graph=True), rec)
    assert_close(found, weights)
    assert measured[-1]["loss"] == pytest.approx(metrics[-1]["loss"], rel=1e-2)


@needs_gpu
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("method", "settings", "kinds"), IMAGE_RUNS)
def test_on_a_gpu_replays_train_on_images_as_python_does(method, settings, kinds, compiled):
    settings = settings | {"device": "cuda", "steps": 8, "precision": "float32"}
    _, metrics = fitted(method(**settings, compile=False, cuda_graph=False), tiny_images())
    _, measured = fitted(method(**settings, compile=compiled, cuda_graph=True), tiny_images())
    assert [m["loss"] for m in measured] == pytest.approx([m["loss"] for m in metrics], rel=5e-2)


@needs_gpu
def test_on_a_gpu_a_replay_draws_what_the_run_would_have_drawn():
    generator = torch.Generator("cuda")

    def run():
        drawn = torch.rand(100, device="cuda", generator=generator)
        return {"drawn": drawn + torch.randperm(100, device="cuda", generator=generator)}

    def five(run):
        generator.manual_seed(3)
        return torch.stack([run()["drawn"].clone() for _ in range(5)]), generator.get_state()

    expected, state = five(run)
    graphs = CudaGraphs(generator)
    for check in (False, True):
        graphs.rehearse(run, check=check)
    found, after = five(graphs.record(run))
    assert torch.equal(found, expected)
    assert torch.equal(after, state)


@needs_gpu
def test_on_a_gpu_a_failed_capture_leaves_generators_and_streams_usable():
    generator = torch.Generator("cuda").manual_seed(3)
    here = torch.cuda.current_stream()

    def run():
        x = torch.rand(3, device="cuda", generator=generator)
        return {"x": x * x.sum().item()}

    graphs = CudaGraphs(generator)
    graphs.rehearse(run, check=False)
    generator.manual_seed(3)
    with pytest.raises(RuntimeError):
        graphs.rehearse(run, check=True)
    assert torch.cuda.get_sync_debug_mode() == 0
    generator.manual_seed(3)
    with pytest.raises(RuntimeError):
        graphs.record(run)
    assert torch.cuda.current_stream() == here
    expected = torch.rand(3, device="cuda", generator=torch.Generator("cuda").manual_seed(3))
    assert torch.equal(torch.rand(3, device="cuda", generator=generator), expected)
    torch.rand(3, device="cuda")


@needs_gpu
def test_on_a_gpu_an_augmentation_that_waits_goes_on_in_python():
    settings = SMALL | {"device": "cuda", "augment": lambda x, generator: x / float(x.max())}
    weights, _ = fitted(BYOL(**settings, cuda_graph=False), reach())
    with pytest.warns(RuntimeWarning, match="cannot be recorded"):
        found, _ = fitted(BYOL(**settings), reach())
    assert_close(found, weights)
    with pytest.raises(SettingError, match="cannot be recorded"):
        BYOL(**settings, cuda_graph=True).fit(reach())


@needs_gpu
def test_on_a_gpu_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path):
    settings = MINED | {"device": "cuda", "cuda_graph": True}
    weights, _ = fitted(MYOW(**settings), reach())
    fitted(MYOW(**settings), reach(), 17, folder=tmp_path)
    found, _ = fitted(MYOW(**settings), reach(), folder=tmp_path, resume=True)
    assert_close(found, weights)
