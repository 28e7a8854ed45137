"""What this package writes itself: models, checkpoints, run folders, benches."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import myow
from myow.cli.train import evaluate_run, train_run
from myow.datasets import load_recording
from myow.errors import MyowError
from myow.evaluation.bench import Bench, _left, _refuse_mixture, run_bench
from myow.evaluation.bench_summary import RowsFile, failures, fit_row, summarise
from myow.figures import bench_tables
from myow.methods.runs import RunFolder, run_card
from myow.training.callbacks import MetricsFile, PairsFile

from .loader import Loader

__all__ = ["checkpoint", "evaluation", "metrics", "model", "pairs", "rows", "run"]

DATA = "simulated-reach"
LOAD = ["n_trials=16"]
SMALL = ["steps=6", "dim=4", "hidden=8", "predictor=8", "mined_projector=8,4", "mined_predictor=8", "batch_size=32"]

_made: dict[str, Path] = {}


def _trained(folder: Path) -> Path:
    """A run folder, trained once."""
    if "run" not in _made or not _made["run"].exists():
        _made["run"] = folder / "run"
        train_run(DATA, _made["run"], settings=SMALL, load=LOAD, device="cpu", progress=False)
    return _made["run"]


def model(folder: Path) -> Loader:
    whole = load_recording(DATA, LOAD)
    sessions = [(folder / "b.myow"), (folder / "c.myow")]
    myow.PCA(dim=3).fit(whole).save(sessions[0])
    myow.Supervised(steps=2, hidden=(8,), dim=4, device="cpu", random_state=0).fit(
        whole, whole.labels["direction"]
    ).save(sessions[1])

    def load(path: Path) -> None:
        model = myow.load_model(path, device="cpu")
        model.card()
        with suppress(MyowError):  # it may have been trained on other units, or bins of another width
            model.transform(whole)

    return Loader(
        ".myow", "safetensors", [(p.read_bytes(), load) for p in (_trained(folder) / "model.myow", *sessions)]
    )


def checkpoint(folder: Path) -> Loader:
    """Going on from a checkpoint that has a step left."""
    whole = load_recording(DATA, LOAD)
    settings = {
        "steps": 3,
        "hidden": (8,),
        "dim": 4,
        "predictor": 8,
        "batch_size": 32,
        "device": "cpu",
        "random_state": 0,
    }

    class Last(Exception):
        pass

    class Stop:
        begin = record = end = lambda *_: None

        def step(self, step: int) -> None:
            if step == 3:
                raise Last

    with suppress(Last):
        myow.BYOL(**settings).fit(whole, folder=folder, callbacks=[Stop()])
    content = (folder / "checkpoint.safetensors").read_bytes()

    def load(path: Path) -> None:
        myow.BYOL(**settings).fit(whole, folder=path.parent, resume=True)

    return Loader(".safetensors", "safetensors", [(content, load)], name="checkpoint.safetensors", writes=True)


def run(folder: Path) -> Loader:
    whole = load_recording(DATA, LOAD)

    def load(path: Path) -> None:
        run = RunFolder(path.parent).read()
        for rows in run.rows_of_parts():
            whole.select(rows)
        json.dumps(asdict(run))

    return Loader(".json", "json", [((_trained(folder) / "run.json").read_bytes(), load)], name="run.json")


def metrics(folder: Path) -> Loader:
    content = (_trained(folder) / "metrics.jsonl").read_bytes()
    return Loader(".jsonl", "lines", [(content, lambda path: MetricsFile(path).begin(4, 9))], writes=True)


def pairs(folder: Path) -> Loader:
    content = (_trained(folder) / "mined.npz").read_bytes()
    return Loader(".npz", "zip", [(content, lambda path: PairsFile(path, "mined").begin(4, 9))])


def evaluation(folder: Path) -> Loader:
    run = _trained(folder)
    evaluate_run(run)
    (path,) = run.glob("evaluation_*.json")
    model, about = RunFolder(run).model("cpu"), (run / "run.json").read_bytes()

    def load(path: Path) -> None:
        (path.parent / "run.json").write_bytes(about)
        run_card(RunFolder(path.parent), model)

    return Loader(".json", "json", [(path.read_bytes(), load)], name=path.name, writes=True)


def rows(folder: Path) -> Loader:
    bench = Bench(
        datasets=[DATA], load=LOAD, methods=["raw", "pca"], folds=2, protocol="cv", labels=["all", "2"], draws=2
    )
    run_bench(bench, folder / "bench")
    planned = list(bench.jobs(DATA, load_recording(DATA, LOAD)))

    def load(path: Path) -> None:
        rows = RowsFile(path, fit_row).read()
        _refuse_mixture(planned, rows, path.parent)
        _left(planned, rows, retry=False)
        cells = summarise(rows)
        failed = failures(rows)
        bench_tables.markdown(cells, datasets=[DATA], missing={}, failures=failed, about={}, periods={})
        bench_tables.csv_text(cells)

    return Loader(".jsonl", "lines", [((folder / "bench" / "rows.jsonl").read_bytes(), load)])
