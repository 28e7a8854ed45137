"""The bench of methods for images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.images import Images
from ..datasets import load_images
from ..device import describe_machine
from ..errors import MyowError, SettingError
from ..io.files import make_folder, remove_leftovers
from ..methods import image_method_class, image_method_names
from ..methods.base import plain
from ..training.callbacks import Callback, MetricsFile, read_metrics
from ..version import __version__
from .bench_jobs import check_owned, settings_of
from .bench_summary import RowsFile, image_row
from .images import evaluate_images

__all__ = ["PUBLISHED_IMAGES", "ImageBench", "published_image", "run_image_bench"]

PUBLISHED_IMAGES: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("resnet18", "cifar-10"): {"simclr": 0.9180, "byol": 0.9171, "myow": 0.9210},
    ("resnet18", "cifar-100"): {"simclr": 0.6683, "byol": 0.6670, "myow": 0.6791},
    ("resnet18", "cifar-20"): {"byol": 0.7690, "myow": 0.7810},
    ("resnet18", "tiny-imagenet"): {"simclr": 0.4884, "byol": 0.5156, "myow": 0.5258},
    ("resnet50", "cifar-10"): {"simclr": 0.9173, "byol": 0.9212, "myow": 0.9318},
    ("resnet50", "cifar-100"): {"byol": 0.6787, "myow": 0.6869},
    ("resnet50", "cifar-20"): {"byol": 0.7738, "myow": 0.7887},
}
"""(encoder, dataset) -> method -> accuracy."""


def published_image(encoder: str, dataset: str, method: str) -> float | None:
    """Return the poster's accuracy, or None where it has none.

    Examples
    --------
    >>> published_image("resnet18", "cifar-10", "myow")
    0.921
    """
    return PUBLISHED_IMAGES.get((encoder, dataset), {}).get(method)


@dataclass(frozen=True, kw_only=True)
class ImageBench:
    """Comparison of methods on images.

    Parameters
    ----------
    datasets : sequence of str
        Names of image datasets, or folders.
    methods : sequence of str, optional
        Identifiers. Default: all.
    labels : sequence of str, optional
        "all", or numbers of labelled images per class.
    seeds : int, optional
        Trainings of each method; a seed decides weights, batches, views and which images are for validation.
    settings : sequence of str, optional
        ``key=value`` for every method that has the parameter, or ``method.key=value`` for one.
    readout_epochs : int, optional
        Of the linear readout.
    device : str, optional
        Where to train and read out.
    retry : bool, optional
        Whether what failed is tried again.
    """

    datasets: Sequence[str]
    methods: Sequence[str] = ()
    labels: Sequence[str] = ("all",)
    seeds: int = 1
    settings: Sequence[str] = ()
    readout_epochs: int = 100
    device: str = "auto"
    retry: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise SettingError(f"seeds is {self.seeds}; it must be 1 or more")
        for text in self.labels:
            if text != "all" and not (text.isdecimal() and int(text) > 0):
                raise SettingError(f"labels are '{text}'; write all, or numbers of 1 or more such as 1,10,100")
        for method in self.methods:
            image_method_class(method)
        check_owned(
            self.settings,
            image_method_class,
            image_method_names(),
            kind="method for images",
            reserved=("random_state", "device"),
        )

    def settings_of(self, method: str) -> dict[str, Any]:
        """Parameters of one method that differ from its defaults."""
        given = settings_of(self.settings, method, image_method_class(method))
        return given | ({"epochs": None} if "steps" in given and "epochs" not in given else {})

    def jobs(self, images: dict[str, Images]) -> Iterator[ImageJob]:
        """All trainings, one method after the other for each seed, so that an interrupted bench can be compared too."""
        for seed in range(self.seeds):
            for name, data in images.items():
                for method in self.methods or image_method_names():
                    yield ImageJob(name, data.digest(), method, self.settings_of(method), seed)


@dataclass(frozen=True, eq=False)
class ImageJob:
    """One training."""

    dataset: str
    checksum: str
    method: str
    settings: dict[str, Any]
    seed: int

    @property
    def key(self) -> str:
        """Digest that tells this training from others, in hexadecimal."""
        about = [
            self.dataset,
            self.checksum,
            self.method,
            sorted((k, plain(v)) for k, v in self.settings.items()),
            self.seed,
        ]
        return hashlib.sha256(json.dumps([*about, __version__], default=repr).encode()).hexdigest()[:16]


Report = Callable[[dict[str, Any], int, int], None]


def run_image_bench(
    bench: ImageBench, out: Path, *, report: Report | None = None, watch: Callable[[str], Callback] | None = None
) -> list[dict[str, Any]]:
    """Carry out what the folder does not hold yet; what was interrupted goes on from its checkpoint.

    Parameters
    ----------
    bench : ImageBench
        What to compare.
    out : Path
        Folder of ``rows.jsonl``, with a folder of checkpoints and models under ``runs``.
    report : callable, optional
        Gets each row, how many are done and of how many.
    watch : callable, optional
        Makes, from a title, a callback of a training.

    Returns
    -------
    list of dict
        All rows of the folder.
    """
    file = RowsFile(make_folder(out) / "rows.jsonl", image_row)
    with file.locked():
        images = {name: load_images(name) for name in bench.datasets}
        held = {row["key"]: row for row in file.read() if not (bench.retry and row["error"])}
        tasks = {job: _missing(bench, held.get(job.key)) for job in bench.jobs(images)}
        known: dict[str, Any] = {}
        left = {job: labels for job, labels in tasks.items() if labels}
        for n, (job, labels) in enumerate(left.items(), 1):
            row = _run(bench, job, labels, images[job.dataset], out, watch, known)
            if (
                job.key in held and held[job.key]["readout_epochs"] == bench.readout_epochs
            ):  # other numbers of labels of the same training
                row["tasks"] = held[job.key]["tasks"] + row["tasks"]
                row["scores"] = held[job.key]["scores"] | row["scores"]
            file.append(row)
            if report is not None:
                report(row, n, len(left))
        return file.read()


def _missing(bench: ImageBench, row: dict[str, Any] | None) -> list[str]:
    """Numbers of labels that a row does not hold yet; another length of the linear readout is another reading of them all."""
    done = row["tasks"] if row is not None and row["readout_epochs"] == bench.readout_epochs else ()
    return [n for n in bench.labels if n not in done]


def _run(
    bench: ImageBench,
    job: ImageJob,
    labels: Sequence[str],
    images: Images,
    out: Path,
    watch: Callable[[str], Callback] | None,
    known: dict[str, Any],
) -> dict[str, Any]:
    estimator = image_method_class(job.method)
    model = estimator(**job.settings | {"random_state": job.seed, "device": bench.device, "verbose": False})
    row: dict[str, Any] = {
        "key": job.key,
        "dataset": job.dataset,
        "checksum": job.checksum,
        "subset": images.subset,
        "method": job.method,
        "encoder": model.encoder if isinstance(model.encoder, str) else "own",
        "width": model.width,
        "settings": {k: plain(v) for k, v in job.settings.items()},
        "seed": job.seed,
        "tasks": list(labels),
        "readout_epochs": bench.readout_epochs,
        "version": __version__,
        "torch": torch.__version__,
        "machine": describe_machine(),
        "error": None,
        "scores": {},
    }
    try:
        parts = tuple(images.select(rows) for rows in images.parts(job.seed))
        config = model.training_config(len(parts[0]))
        folder = make_folder(out / "runs" / f"{Path(job.dataset).name}-{row['encoder']}-{job.method}-{job.key}")
        remove_leftovers(folder)
        callbacks: list[Callback] = [MetricsFile(folder / "metrics.jsonl")]
        callbacks += [watch(f"{job.method} on {job.dataset}, seed {job.seed}")] if watch else []
        model.fit(parts[0], folder=folder, resume=True, callbacks=callbacks)
        row |= {
            "device": str(model.network_.scaling.mean.device),
            "machine": describe_machine(model.network_.scaling.mean.device),
            "steps": model.n_steps_,
            "epochs": round(model.n_steps_ * config.batch_size * config.accumulate / len(parts[0]), 2),
            "seconds": read_metrics(folder / "metrics.jsonl")[-1]["seconds"],
            **{f"n_{name}": len(part) for name, part in zip(("train", "valid", "test"), parts, strict=True)},
        }
        model.save(folder / "model.myow", images=images.name)
        for n in labels:
            few = None if n == "all" else int(n)
            device = str(model.network_.scaling.mean.device)
            found = evaluate_images(
                model, *parts, labels=few, epochs=bench.readout_epochs, seed=job.seed, device=device, known=known
            )
            row["scores"][n] = {name: found[name] for name in ("embedding", "raw", "untrained")}
    except MyowError as error:
        row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return row
