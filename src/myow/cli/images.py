"""Commands on images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.images import Images
from ..datasets import load_images
from ..errors import FileError, SettingError
from ..evaluation.images import evaluate_images
from ..io.files import write_arrays, write_json
from ..methods import image_method_class
from ..methods.runs import OFFICIAL, Parts, Run, RunFolder, write_run_card
from ..training.distributed import from_environment
from .train import Trained, chosen_settings, own_settings, refuse_earlier, train_into

__all__ = ["draw_images_run", "embed_images_run", "evaluate_images_run", "train_images_run"]


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
    overwrite: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> Trained:
    """Train a method on images into a folder; on several processes, started by torchrun, all work on the same batches.

    Returns
    -------
    Trained
    """
    refuse_earlier(out, resume=resume, overwrite=overwrite)  # in every process, before one of them writes
    estimator = image_method_class(method)
    chosen = chosen_settings(estimator, preset, settings)
    with from_environment(device) as world:
        if world.size > 1 and device != "cpu" and torch.cuda.is_available():
            device = f"cuda:{world.local_rank}"
        model = estimator(**chosen | {"random_state": seed, "device": device})
        images = load_images(data, load)
        parts = images.parts(split_seed)
        taken = images.select(parts[0])
        world.same_everywhere({"images": images.digest(), "settings": str(sorted(chosen.items())), "seed": str(seed)})
        run = Run(
            data=data,
            load=list(load),
            method=method,
            settings=own_settings(estimator, chosen, seed),
            rows="train",
            split=OFFICIAL,
            split_seed=split_seed,
            parts=Run.describe_parts(parts),
            recording={"name": images.name or data, "digest": images.digest(), **images.source},
        )
        subset = f" ({images.subset})" if images.subset else ""
        return train_into(
            out,
            run,
            model,
            taken,
            learnt_from=f"{len(taken)} images of {run.recording['name']}{subset}",
            resume=resume,
            tensorboard=tensorboard,
            progress=progress,
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
    """Draw every figure that the contents of a run folder on images allow."""
    from ..figures.run_figures import draw_images

    folder = RunFolder(out)
    run = folder.read()
    images, parts = _images_and_parts(run, out)
    return draw_images(folder, folder.model("cpu"), images.select(parts[0]), images.select(parts[2]))


def _images_and_parts(run: Run, out: Path) -> tuple[Images, Parts]:
    images = load_images(run.data, run.load)
    if images.digest() != run.recording["digest"]:
        raise FileError(
            f"{run.data} holds other images than those that {out} was trained on (their checksum differs); train again"
        )
    return images, run.rows_of_parts()
