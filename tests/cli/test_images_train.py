"""Images from the command line: train, evaluate, embed, compare; what is wrong is said in one line."""

import json

import numpy as np
import pytest
from browser import Page, browser
from command import myow as command
from PIL import Image
from tiny_images import tiny_images

QUICK = [
    "--set",
    "width=1",
    "--set",
    "steps=4",
    "--set",
    "batch_size=16",
    "--set",
    "projector=12,6",
    "--set",
    "predictor=8",
]
MINED = [
    "--set",
    "mined_start=0",
    "--set",
    "pool_size=24",
    "--set",
    "mined_projector=8,4",
    "--set",
    "mined_predictor=8",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of one's own: train and test, a folder a class."""
    home = tmp_path_factory.mktemp("photographs")
    images = tiny_images(n=60)
    for i, pixels in enumerate(images.pixels):
        place = home / ("test" if images.test[i] else "train") / f"class{images.labels['class'][i]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{i:03}.png")
    return home


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "a"
    done = command("train", folder, "--out", out, *QUICK, *MINED, "--data", "size=8", "--quiet")
    assert done.code == 0, done.err
    assert "myow, 4 steps on 36 images" in done.out
    return out


def test_a_run_leaves_a_model_and_pictures(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "model.myow",
        "run.json",
        "metrics.jsonl",
        "mined.npz",
        "learning_curves.png",
        "geometry.png",
        "mined_images.png",
    }
    about = json.loads((run / "run.json").read_text())
    assert (about["split"], about["method"]) == ("official", "myow")


def test_evaluation_stands_beside_pixels_and_the_untrained_encoder(run):
    done = command("evaluate", run, "--json", "--readout-epochs", "5")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["n_train"], found["n_valid"], found["n_test"], found["steps"]) == (36, 4, 20, 4)
    for row in ("embedding", "raw", "untrained"):
        for readout in ("knn", "linear"):
            scores = found[row][readout]
            assert 0 <= scores["interval"][0] <= scores["accuracy"] <= scores["interval"][1] <= 1
    assert found["raw"]["knn"]["accuracy"] > 0.8  # these classes are told by colour
    assert (run / "evaluation_images_class.json").exists()
    printed = command("evaluate", run, "--readout-epochs", "5", "--labels", "2")
    assert "2 labelled per class" in printed.out
    assert "raw pixels" in printed.out
    assert "untrained encoder" in printed.out


def test_embeddings_are_written_with_labels_and_the_test_part(run, folder, tmp_path):
    done = command("embed", run, folder, "--out", tmp_path / "z.npz", "--device", "cpu")
    assert done.code == 0, done.err
    with np.load(tmp_path / "z.npz") as held:
        assert held["z"].shape == (60, 8)
        assert held["test"].sum() == 20
        assert sorted(np.unique(held["label_class"])) == [0, 1, 2]


def test_a_run_that_is_whole_has_nothing_left_to_do(run, folder):
    done = command("train", folder, "--out", run, *QUICK, *MINED, "--data", "size=8", "--quiet", "--resume")
    assert done.code == 0, done.err
    assert "nothing to do, all 4 steps were done" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--context", "1,1"], "--context is for recordings"),
        (["--method", "rp"], "unknown method for images 'rp'"),
        (["--set", "k=0"], "k is 0"),
        (["--set", "encoder=resnet"], "unknown"),
        (["--set", "pool=batch", "--set", "k=200"], "k is 200, but the candidate pool holds"),
        (["--preset", "v2-reaching"], "v1-images"),
    ],
)
def test_what_does_not_suit_images_is_said_in_one_line(folder, tmp_path, words, said):
    done = command("train", folder, "--out", tmp_path / "r", *QUICK, "--data", "size=8", "--quiet", *words)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "r" / "model.myow").exists()


def test_a_bench_of_images_prints_a_table_and_does_nothing_twice(folder, tmp_path):
    words = [
        "bench",
        "--protocol",
        "images",
        "--out",
        tmp_path,
        "--datasets",
        folder,
        "--seeds",
        "2",
        "--readout-epochs",
        "3",
    ]
    words += [*QUICK, *MINED, "--set", "encoder=resnet18", "--quiet", "--device", "cpu"]
    done = command(*words, "--methods", "myow,byol")
    assert done.code == 0, done.err
    assert "| MYOW |" in done.out
    assert "| BYOL |" in done.out
    assert "| raw pixels |" in done.out
    assert "| untrained encoder |" in done.out
    assert "2 seeds" in done.out
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(lines) == 4
    rows = [json.loads(line) for line in lines]
    assert {(row["method"], row["seed"], row["error"]) for row in rows} == {
        (m, s, None) for m in ("myow", "byol") for s in (0, 1)
    }
    again = command(*words, "--methods", "myow,byol", "--labels", "all,2")
    assert again.code == 0, again.err
    rows = {row["key"]: row for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())}
    assert len(rows) == 4
    assert all(set(row["scores"]) == {"all", "2"} for row in rows.values())
    assert "2 labelled images per class" in again.out
    assert list((tmp_path / "figures").glob("accuracy_*.png"))


def test_folds_of_images_are_refused(run):
    assert "official test part, and --cv deals segments to folds" in command("evaluate", run, "--cv", "3").error()


def test_a_report_of_images_shows_mined_images_beside_their_anchors(run, tmp_path):
    found = command("evaluate", run, "--readout-epochs", "2", "--json", "--no-report").json()
    path = tmp_path / "page.html"
    assert command("report", run, "--out", path).code == 0
    page = path.read_text()
    assert f"accuracy {found['embedding']['linear']['accuracy']:.3f}" in page
    for title in ("Verdict", "Embedding", "Mined images", "Training", "Settings and provenance"):
        assert f">{title}</h2>" in page
    with browser() as opened:
        shown = Page(opened, path)
        assert shown.complaints == []
        assert shown.requests == [path.as_uri()]
        assert shown.page.locator("#mined img").count() == 1
        assert shown.faults() == []


def test_a_report_of_a_bench_of_images_has_dots_and_curves(folder, tmp_path):
    words = ["--datasets", folder, "--methods", "byol", "--labels", "all", "--readout-epochs", "2", "--quiet"]
    done = command("bench", "--out", tmp_path, "--protocol", "images", *words, *QUICK)
    assert done.code == 0, done.err
    assert command("report", tmp_path).code == 0
    page = (tmp_path / "report.html").read_text()
    assert ">Scores</h2>" in page
    assert ">Table</h2>" in page
