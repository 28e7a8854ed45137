"""The command that compares methods."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..settings import split_names
from .options import AsJson, LoadOptions, Out, Quiet, ReadoutEpochs
from .stopped import stopped

__all__ = ["bench"]


def bench(
    out: Out,
    datasets: Annotated[str, typer.Option(metavar="A,B", help="Recordings: names or files.", show_default="all")] = "",
    methods: Annotated[str, typer.Option(metavar="A,B", help="Identifiers of methods.", show_default="all")] = "",
    protocol: Annotated[
        str,
        typer.Option(
            help="released (one published split), cv (folds), or images (image datasets, k-NN and linear readout)."
        ),
    ] = "cv",
    context: Annotated[
        list[str], typer.Option(metavar="A,B", help="Bins before and after that everyone sees; may be repeated.")
    ] = ["0,0"],  # noqa: B006  (typer copies it)
    rows: Annotated[str, typer.Option(help="Rows encoders learn from without labels: train or all.")] = "train",
    readouts: Annotated[str, typer.Option(metavar="A,B", help="angle, class, continuous, knn.")] = "angle,class",
    labels: Annotated[
        str, typer.Option(metavar="A,B", help="all, or labelled segments (minutes) per class: all,1,2,5,10.")
    ] = "all",
    folds: Annotated[int, typer.Option(help="Folds, with --protocol cv.")] = 5,
    seeds: Annotated[int, typer.Option(help="Repetitions; each has a seed of its own and deals the folds anew.")] = 1,
    draws: Annotated[int, typer.Option(help="Random choices of labelled segments to average over.")] = 5,
    jobs: Annotated[int, typer.Option(help="Fits at a time.")] = 1,
    backend: Annotated[str, typer.Option(help="What carries the jobs: loky, ray or dask.")] = "loky",
    settings: Annotated[
        list[str],
        typer.Option("--set", help="Any parameter: key=value, or method.key=value for one.", show_default=False),
    ] = [],  # noqa: B006
    load: LoadOptions = [],  # noqa: B006
    device: Annotated[
        str, typer.Option(help="Where images are trained on and read out; recordings go by --set.")
    ] = "auto",
    readout_epochs: ReadoutEpochs = 100,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed fits again.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare methods on recordings, or on images: every fit a row, then tables and figures. What is done already is not done again."""
    from ..bench_workflow import bench_images_run, bench_run

    common: dict[str, Any] = {
        "datasets": split_names(datasets),
        "methods": split_names(methods),
        "labels": split_names(labels),
        "seeds": seeds,
        "settings": settings,
        "retry": retry,
        "progress": not (quiet or as_json),
    }
    if protocol == "images":
        with stopped(f"stopped; {out} holds what was done, the same command goes on where it stopped"):
            result = bench_images_run(out, **common, device=device, readout_epochs=readout_epochs)
    else:
        with stopped(f"stopped; {out / 'rows.jsonl'} holds what was done, the same command goes on"):
            result = bench_run(
                out,
                **common,
                protocol=protocol,
                contexts=context,
                rows=rows,
                readouts=split_names(readouts),
                folds=folds,
                draws=draws,
                n_jobs=jobs,
                backend=backend,
                load=load,
            )
    if as_json:
        print(json.dumps(result))
        return
    print(result["table"])
    added = f"{result['added']} fits, " if "added" in result else ""
    print(f"{added}{result['failed']} failed; " + ", ".join(result["files"]))
