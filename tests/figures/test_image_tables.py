"""The table of a bench on images says what its rows say, and the poster stands beside only what measures the same."""

import pytest

from myow.evaluation.bench_images import PUBLISHED_IMAGES, published_image
from myow.figures.bench_tables import image_table


def row(
    method="myow", seed=0, accuracy=0.5, dataset="cifar-10", encoder="resnet18", settings=None, labels=("all",), **more
):
    def features(value):
        return {r: {"accuracy": value, "majority": 0.1, "interval": [0.0, 1.0]} for r in ("linear", "knn")}

    scores = {"embedding": features(accuracy), "raw": features(0.3 + seed / 100), "untrained": features(0.2)}
    return {
        "key": f"{dataset}{encoder}{method}{seed}{settings}", "dataset": dataset, "subset": "", "method": method,
        "encoder": encoder, "width": 64, "settings": settings or {}, "seed": seed, "epochs": 20.0, "error": None,
        "scores": dict.fromkeys(labels, scores),
    } | more  # fmt: skip


def table(text, title):
    """Entries of one table by row and column."""
    lines = [line for line in text.split(f"## {title}\n")[1].split("\n## ")[0].splitlines() if line.startswith("|")]
    split = [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]
    return {entries[0]: dict(zip(split[0][1:], entries[1:], strict=True)) for entries in split[2:]}


def test_figures_are_means_over_seeds_and_the_poster_stands_beside_the_linear_readout_of_all_labels():
    rows = [row(seed=s, accuracy=a, labels=("all", "10")) for s, a in enumerate((0.5, 0.6))]
    text = image_table([*rows, row("byol", accuracy=0.4), row(dataset="mine", accuracy=0.7)])
    linear = table(text, "Linear readout, all labels")
    column, other = linear["MYOW"]
    assert column == "cifar-10, resnet18 of width 64"
    assert linear["MYOW"][column] == "0.550 ± 0.071 (20 epochs, 2 seeds)<br>(poster 0.921)"
    assert linear["BYOL"] == {column: "0.400 (20 epochs, 1 seed)<br>(poster 0.917)", other: "–"}
    assert linear["MYOW"][other] == "0.700 (20 epochs, 1 seed)"
    assert linear["raw pixels"][column] == "0.305 ± 0.007"
    assert linear["majority class"][column] == "0.100"
    assert "poster" not in str(table(text, "K-NN, all labels"))
    few = table(text, "Linear readout, 10 labelled images per class")
    assert few["MYOW"] == {column: "0.550 ± 0.071 (20 epochs, 2 seeds)"}


def test_trainings_with_other_settings_are_not_averaged():
    text = image_table([row(accuracy=0.5), row(accuracy=0.9, settings={"k": 5})])
    names = [name for name in table(text, "K-NN, all labels") if name.startswith("MYOW")]
    assert names == ["MYOW (k default)", "MYOW (k 5)"]


def test_what_failed_is_said_and_nothing_else_is_made_up():
    text = image_table([row(error="TrainingError: collapsed", scores={})])
    assert "- myow on cifar-10, seed 0: TrainingError: collapsed" in text
    assert "|" not in text
    assert "None." in image_table([row()])


@pytest.mark.parametrize("place", PUBLISHED_IMAGES)
def test_the_posters_order_is_simclr_byol_myow(place):
    assert published_image(*place, "byol") < published_image(*place, "myow")
    assert published_image("resnet18", "cifar-9", "myow") is None
