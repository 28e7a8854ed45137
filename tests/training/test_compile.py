"""Networks and loss that are compiled: the same training, the same names, and what is done where it cannot be."""

import functools
import warnings

import pytest
import torch
from test_cuda_graph import IMAGE_RUNS, MINED, RUNS, different, fitted
from tiny import SMALL, Notes, reach
from tiny_images import tiny_images

from myow import BYOL, MYOW, ImageBYOL
from myow.errors import SettingError, TrainingError
from myow.training import loop
from myow.training.cuda_graph import CapturedStep
from myow.training.rows import ImageRows

COMPILE = torch.compile
LONG = {"steps": 20_000, "batch_size": 512}


class Traced:
    """Lets torch trace each step into one graph and runs that as it is, which takes no compiler."""

    def __init__(self):
        self.graphs, self.options = 0, []

    def __call__(self, module, **options):
        self.options.append(options)
        return COMPILE(module, backend=self.backend, **options | {"fullgraph": True})

    def backend(self, graph, inputs):
        self.graphs += 1
        return graph.forward


@pytest.fixture
def traced(monkeypatch):
    """Let the fits that follow trace and not compile."""
    monkeypatch.setattr(torch, "compile", Traced())
    monkeypatch.setattr(loop, "compiler_lacks", lambda device: None)
    torch._dynamo.reset()
    yield torch.compile
    torch._dynamo.reset()


@pytest.mark.parametrize(("method", "settings", "rec", "kinds"), RUNS)
def test_a_step_on_recordings_is_one_graph_a_kind_and_trains_the_same(traced, method, settings, rec, kinds):
    weights, metrics = fitted(method(**settings), rec)
    assert traced.graphs == 0
    found, measured = fitted(method(**settings, compile=True), rec)
    assert different(found, weights) == []  # nor do names differ
    assert measured == metrics
    assert traced.graphs == len(kinds)  # and nothing for what measures
    assert traced.options == [{"dynamic": False, "fullgraph": False}]


@pytest.mark.parametrize(("method", "settings", "kinds"), IMAGE_RUNS)
def test_a_step_on_images_is_one_graph_a_kind_and_trains_the_same(traced, method, settings, kinds):
    weights, metrics = fitted(method(**settings), tiny_images())
    found, measured = fitted(method(**settings, compile=True), tiny_images())
    assert different(found, weights) == []
    assert measured == metrics
    assert traced.graphs == len(kinds)


class Plain:
    """Records a run by keeping it, and puts what it gives into the same tensors."""

    def rehearse(self, run, *, check):
        run()

    def record(self, run):
        terms = run()

        def replay():
            for name, value in run().items():
                terms[name].copy_(value)
            return terms

        return replay


def test_what_is_compiled_can_be_captured(traced, monkeypatch):
    weights, metrics = fitted(MYOW(**MINED), reach())
    seen = []

    def captured_step(step):
        seen.append(CapturedStep(step, Plain(), torch.zeros((), dtype=torch.float64), required=True))
        return seen[0]

    monkeypatch.setattr(loop, "is_captured", lambda *_: True)
    monkeypatch.setattr(loop, "captured_step", captured_step)
    found, measured = fitted(MYOW(**MINED, compile=True), reach())
    assert different(found, weights) == []
    assert measured == metrics
    assert len(seen[0].recorded) == traced.graphs == 3


def test_a_run_that_was_stopped_goes_on_compiled_or_not(traced, tmp_path):
    weights, _ = fitted(MYOW(**MINED), reach())
    fitted(MYOW(**MINED, compile=True), reach(), 17, folder=tmp_path)
    found, _ = fitted(MYOW(**MINED), reach(), folder=tmp_path, resume=True)
    assert different(found, weights) == []


@pytest.mark.slow
def test_a_compiled_step_trains_as_python_does_and_says_nothing():
    _, metrics = fitted(BYOL(**SMALL), reach())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _, measured = fitted(BYOL(**SMALL, compile=True), reach())
    assert [m["loss"] for m in measured] == pytest.approx([m["loss"] for m in metrics], rel=1e-3)


# Where it cannot be


def failing(when):
    """A compiler that fails at some call."""

    def compile_or_fail(module, **options):
        calls = []

        def call(views):
            calls.append(views)
            if len(calls) == when:
                raise torch._dynamo.exc.Unsupported("no such operation\nand a trace")
            return module(views)

        return call

    return compile_or_fail


@pytest.mark.parametrize("when", [1, 5])
def test_unasked_it_goes_on_in_python_without_a_word(monkeypatch, when):
    monkeypatch.setattr(loop, "_is_compiled", lambda config, data: config.compile == "auto")  # as on a GPU
    settings = {k: v for k, v in IMAGE_RUNS[0].values[1].items() if k != "steps"} | {"steps": 8}
    weights, metrics = fitted(ImageBYOL(**settings, compile=False), tiny_images())
    monkeypatch.setattr(torch, "compile", failing(when))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, measured = fitted(ImageBYOL(**settings), tiny_images())
    assert different(found, weights) == []
    assert measured == metrics


def test_asked_for_a_failing_compiler_is_an_error_with_advice(monkeypatch):
    monkeypatch.setattr(torch, "compile", failing(1))
    monkeypatch.setattr(loop, "compiler_lacks", lambda device: None)
    with pytest.raises(SettingError, match=r"cannot be compiled \(no such operation\); use compile=False"):
        BYOL(**SMALL, compile=True).fit(reach())


def test_faults_of_ones_own_stay_what_they_are(traced, monkeypatch):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 4)

        def forward(self, x):
            if self.training:
                raise ZeroDivisionError("of one's own")
            return self.layer(x.mean(dim=(1, 2)))

    settings = IMAGE_RUNS[0].values[1] | {"encoder": Broken, "compile": False}
    with pytest.raises(ZeroDivisionError, match="of one's own"):
        ImageBYOL(**settings).fit(tiny_images())
    monkeypatch.setattr(loop, "_is_compiled", lambda config, data: True)
    with pytest.raises(ZeroDivisionError, match="of one's own"):
        ImageBYOL(**settings | {"compile": "auto"}).fit(tiny_images())

    def full(self, views):
        raise MemoryError

    monkeypatch.setattr(loop.Forward, "__call__", full)
    with pytest.raises(TrainingError, match="does not fit into the memory"):
        BYOL(**SMALL, compile=True).fit(reach())


def test_a_compiler_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(loop, "compiler_lacks", lambda device: "a C++ compiler")
    with pytest.raises(SettingError, match=r"compile is True, but a C\+\+ compiler is not found; install it, or use"):
        MYOW(**MINED, compile=True).fit(reach())


def test_rows_that_are_looked_up_in_python_are_refused_and_a_later_session_is_not_compiled(traced):
    settings = MINED | {"read_in": 6, "steps": 4, "compile": True}
    with pytest.raises(SettingError, match=r"rows of several sessions or on disk .* use compile=False"):
        MYOW(**settings).fit({name: reach(seed=seed) for seed, name in enumerate("ab")})
    model = MYOW(**settings).fit({"a": reach()})
    graphs = traced.graphs
    assert graphs
    model.adapt(reach(seed=2), name="b", steps=4)
    assert traced.graphs == graphs


# Settings


def is_compiled(device, **settings):
    config = ImageBYOL(**LONG | {"epochs": None} | settings).training_config(5000)
    rows = object.__new__(ImageRows)
    rows.device = torch.device(device)
    return loop._is_compiled(config, rows)


def test_auto_compiles_long_trainings_on_a_gpu_and_nothing_else(monkeypatch):
    monkeypatch.setattr(loop, "compiler_lacks", lambda device: None)
    assert is_compiled("cuda")
    assert is_compiled("cpu", compile=True)
    assert not is_compiled("cpu")
    assert not is_compiled("cuda", compile=False)
    assert not is_compiled("cuda", steps=2000)
    assert not is_compiled("cuda", accumulate=2)
    monkeypatch.setattr(loop, "current", functools.partial(loop.current().__class__, 0, 2))
    assert not is_compiled("cuda")
    monkeypatch.undo()
    monkeypatch.setattr(loop, "compiler_lacks", lambda device: "triton")
    assert not is_compiled("cuda")


def test_another_value_is_refused():
    with pytest.raises(SettingError, match="compile is 'maybe'; it must be True, False or 'auto'"):
        ImageBYOL(compile="maybe").training_config(100)


def test_a_model_is_as_it_was_after_a_compiled_training(traced, tmp_path):
    rec = reach()
    model = BYOL(**SMALL, compile=True).fit(rec, callbacks=[Notes(None, None)])
    assert model.network_._compiled_call_impl is None
    model.save(tmp_path / "m.myow")
    model.transform(rec)
    assert traced.graphs == 1
