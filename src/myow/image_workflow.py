"""What the command line does with images, as functions: train into a folder, evaluate it, embed with it, draw it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from .data.images import Images
from .datasets import cards
from .disk.arrays import write_arrays
from .disk.storage import make_folder, write_json, writing
from .errors import FileError, SettingError
from .evaluation.images import evaluate_images
from .image_methods import image_method_class
from .presets import preset as preset_settings
from .processes import from_environment
from .run_card import write_run_card
from .run_folder import OFFICIAL, Parts, Run, RunFolder
from .settings import parse_settings
from .sources import load_images
from .training.method import Watcher
from .training.monitor import ProgressBar, TensorBoard

__all__ = ["bench_images_run", "draw_images_run", "embed_images_run", "evaluate_images_run", "train_images_run"]


def train_images_run(
    data: str,
    out: Path,
    *,
    method: str = "myow",
    preset: str | None = None,
    settings: Sequence[str] = (),
    split_seed: int = 0,
    seed: int = 0,
    device: str = "auto",
    load: Sequence[str] = (),
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> str:
    """Train a method on images into a folder; on several processes, started by torchrun, all work on the same batches.

    Returns
    -------
    str
        One line that says what was done; "" in all processes but the first.
    """
    estimator = image_method_class(method)
    chosen = preset_settings(preset, estimator) if preset else {}
    given = parse_settings(estimator, settings)
    for key, option in (("random_state", "--seed"), ("device", "--device")):
        if key in given:
            raise SettingError(f"{key} is not set with --set; use {option}")
    if "steps" in given and "epochs" not in given:
        chosen["epochs"] = None  # the epochs of a default or preset would decide in place of the steps asked for
    chosen |= given
    with from_environment(device) as world:
        if world.size > 1 and device != "cpu" and torch.cuda.is_available():
            device = f"cuda:{world.local_rank}"
        model = estimator(**chosen | {"random_state": seed, "device": device})
        images = load_images(data, load)
        parts = images.parts(split_seed)
        taken = images.select(parts[0])
        world.same_everywhere({"images": images.digest(), "settings": str(sorted(chosen.items())), "seed": str(seed)})
        defaults = {f.name: f.default for f in fields(estimator)}
        run = Run(
            data=data,
            load=list(load),
            method=method,
            settings={k: v for k, v in chosen.items() if v != defaults[k]} | {"random_state": seed},
            rows="train",
            split=OFFICIAL,
            split_seed=split_seed,
            parts=Run.describe_parts(parts),
            recording={"name": images.name or data, "digest": images.digest(), **images.source},
        )
        watchers: list[Watcher] = []
        if progress and world.is_first:
            watchers.append(ProgressBar(f"{method} on {images.name or data}"))
        if tensorboard and world.is_first:
            watchers.append(TensorBoard(make_folder(out / "tensorboard")))
        folder = RunFolder(out)
        replaced = "" if resume or not folder.holds_run() else " (an earlier run was replaced)"
        finished, before = folder.train(run, model, taken, resume=resume, watchers=watchers)
        if not world.is_first:
            return ""
        write_run_card(folder, finished)
        if before and before == finished.n_steps_:
            return f"{folder.model_path}: nothing to do, all {before} steps were done"
        subset = f" ({images.subset})" if images.subset else ""
        processes = f" by {world.size} processes" if world.size > 1 else ""
        return (
            f"{folder.model_path}: {method}, {finished.n_steps_} steps{processes} on {len(taken)} images of "
            f"{run.recording['name']}{subset}{replaced}"
        )


def evaluate_images_run(
    out: Path,
    *,
    target: str | None = None,
    labels: int | None = None,
    epochs: int = 100,
    device: str = "cpu",
) -> dict[str, Any]:
    """Evaluate a run on images, write what was found into its folder, and draw it.

    Returns
    -------
    dict
        As `myow.evaluation.images.evaluate_images` returns it.
    """
    folder = RunFolder(out)
    run = folder.read()
    images, parts = _images_and_parts(run, out)
    model = folder.model(device)
    result = evaluate_images(
        model,
        *(images.select(rows) for rows in parts),
        target=target,
        labels=labels,
        epochs=epochs,
        seed=run.split_seed,
        device=device,
    )
    result["steps"] = model.n_steps_
    name = "_".join([str(result["target"]), *([] if labels is None else [str(labels)])])
    write_json(folder.path / f"evaluation_images_{name}.json", result)
    write_run_card(folder, model)
    return result


def embed_images_run(
    out: Path, data: str, path: Path, *, load: Sequence[str] = (), device: str = "auto"
) -> tuple[int, ...]:
    """Write the embedding of images as .npz: ``z`` (T, D), ``test`` (T,), and the labels.

    Returns
    -------
    tuple of int
        The shape of ``z``.
    """
    if path.suffix != ".npz":
        raise SettingError(
            f"--out is {path}; it must end in .npz: other formats are for recordings, whose rows have times"
        )
    folder = RunFolder(out)
    run = folder.read()
    images = load_images(data, load or (run.load if data == run.data else ()))
    z = folder.model(device).transform(images)
    labels: dict[str, Any] = {f"label_{k}": v for k, v in images.labels.items()}
    write_arrays(path, {"z": z, "test": images.test} | labels)
    return tuple(z.shape)


def draw_images_run(out: Path) -> list[Path]:
    """Draw every picture that the contents of a run folder on images allow."""
    from .report.image_pictures import draw_images

    folder = RunFolder(out)
    run = folder.read()
    images, parts = _images_and_parts(run, out)
    return draw_images(folder, folder.model("cpu"), images.select(parts[0]), images.select(parts[2]))


def bench_images_run(
    out: Path, *, datasets: Sequence[str] = (), progress: bool = True, **options: Any
) -> dict[str, Any]:
    """Compare methods on images into a folder; the parameters are those of ``myow bench --protocol images``.

    Parameters
    ----------
    out : Path
        Folder to write to; what it holds already is not done again, what was interrupted goes on.
    datasets : sequence of str, optional
        Names of image datasets, or folders. Default: every dataset of images that is at hand.
    progress : bool, optional
        Whether to show how training goes, and a line a training, on stderr.
    **options
        See `myow.bench.image_bench.ImageBench`.

    Returns
    -------
    dict
        "table" (Markdown), "rows", "failed" (how many) and "files".
    """
    from .bench.image_bench import ImageBench, run_image_bench
    from .report.image_curves import draw_curves
    from .report.image_tables import image_table

    names = list(datasets) or [card.name for card in cards("images") if card.available]
    if not names:
        raise SettingError(
            "no dataset of images is at hand; name one with --datasets, and let MYOW_DATA name its folder"
        )
    bench = ImageBench(datasets=names, **options)
    rows = run_image_bench(bench, out, report=_report if progress else None, watch=ProgressBar if progress else None)
    table = image_table(rows)
    with writing(out / "table.md") as part:
        part.write_text(table, encoding="utf-8")
    pictures = draw_curves(out, rows)
    return {
        "table": table,
        "rows": rows,
        "failed": sum(bool(row["error"]) for row in rows),
        "files": [str(out / name) for name in ("rows.jsonl", "table.md")] + [str(path) for path in pictures],
    }


def _report(row: dict[str, Any], n: int, total: int) -> None:
    """Say on stderr what came of a training."""
    shown = [
        f"{labels}: linear {found['embedding']['linear']['accuracy']:.3f}, k-NN {found['embedding']['knn']['accuracy']:.3f}"
        for labels, found in row["scores"].items()
    ]
    print(
        f"[{n}/{total}] {row['method']} on {row['dataset']}, seed {row['seed']}: {row['error'] or '; '.join(shown)}",
        file=sys.stderr,
        flush=True,
    )


def _images_and_parts(run: Run, out: Path) -> tuple[Images, Parts]:
    images = load_images(run.data, run.load)
    if images.digest() != run.recording["digest"]:
        raise FileError(
            f"{run.data} holds other images than those that {out} was trained on (their checksum differs); train again"
        )
    return images, run.rows_of_parts()
