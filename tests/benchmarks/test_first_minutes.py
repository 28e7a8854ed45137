"""A new user's first session, on a small recording: it goes through, and leaves what it says."""

import json
import subprocess
import sys

from places import BENCHMARKS


def run(*arguments):
    command = [sys.executable, str(BENCHMARKS / "first_minutes.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_from_spikes_and_trials_to_a_saved_model(tmp_path):
    found = json.loads(run("--units", "16", "--trials", "40", "--steps", "8", "--out", str(tmp_path), "--json"))
    assert set(found["seconds"]) == {"read", "train", "figure", "evaluate", "GridSearchCV", "save and load"}
    assert found["files"] == sorted(path.name for path in tmp_path.iterdir())
    assert {"trials.csv", "embedding.pdf", "decoding.png", "model.myow", "z.csv", "z.csv.json"} <= set(found["files"])
    assert 0.25 < found["accuracy"] <= 1  # four directions
    assert found["best"].keys() == {"embed__noise"}
    assert "read from the embedding" in found["verdict"]


def test_it_imports_the_core_alone():
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['first_minutes.py', '--units', '8', '--trials', '24', '--steps', '2', '--json']\n"
        f"runpy.run_path({str(BENCHMARKS / 'first_minutes.py')!r}, run_name='__main__')\n"
        "extras = {'h5py', 'pynwb', 'pynapple', 'neo', 'pymatreader', 'h5netcdf', 'onnx', 'ray', 'dask', 'tensorboard'}\n"
        "print(sorted(extras & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
