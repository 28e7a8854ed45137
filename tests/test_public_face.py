"""The names of `myow`, lazy and typed; and the house: no file imports from a floor above, and no import circles."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import myow
from myow.methods import method_class, method_names

HOME = Path(myow.__file__).parent

# Packages by floor; one may use those below it, never one above.
FLOORS = {
    1: "errors version",
    2: "data device settings",
    3: "io nn",
    4: "datasets training",
    5: "methods",
    6: "evaluation",
    7: "figures",
    8: "cli plot",
    9: "__main__",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}
# What reaches upwards, in the body of a method or function.
UPWARDS = {
    ("data.embedding", "io.embeddings"),  # Embedding.to_pandas, to_xarray, to_pynapple
    ("data.recording", "io.spikes"),  # Recording.from_spikes
    ("evaluation.result", "figures.decoding"),  # Evaluation.plot
    ("evaluation.stability", "figures.decoding"),  # Importance.plot
    ("evaluation.stability", "figures.embedding"),  # Consistency.plot
    ("methods.recordings", "evaluation.decode"),  # RecordingEstimator.score
}
HEAVY = ("torch", "sklearn", "matplotlib", "scipy", "pooch", "rich")


def files():
    return {path.relative_to(HOME).with_suffix("").as_posix().replace("/", "."): path for path in HOME.rglob("*.py")}


def imports(name, path, lazy):
    """Modules of ours that a file imports when it is loaded, and if asked those that its functions import later."""
    package = name.removesuffix(".__init__") if name.endswith("__init__") else name.rpartition(".")[0]
    package = "" if name == "__init__" else package
    found = set()

    def visit(node, inside):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if isinstance(node, ast.ImportFrom) and node.level and (lazy or not inside):
            above = package.split(".") if package else []
            base = ".".join([*above[: len(above) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                for target in (f"{base}.{alias.name}".strip("."), base, f"{base}.__init__".strip(".")):
                    if target in ALL or f"{target}.__init__" in ALL:
                        found.add(target if target in ALL else f"{target}.__init__")
                        break
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text()), False)
    return found - {name}


ALL = files()


def floor(name):
    return FLOOR_OF[name.split(".")[0]]


def test_every_file_has_a_floor_and_every_floor_its_files():
    top = {name.split(".")[0] for name in ALL} - {"__init__"}
    assert not top - set(FLOOR_OF), "give each new file a floor in the table above"
    assert not set(FLOOR_OF) - top, "these files are gone: take them out of the table above"


def upwards(*, lazy):
    return {
        (name, other)
        for name, path in ALL.items()
        if name != "__init__"
        for other in imports(name, path, lazy=lazy)
        if other != "__init__" and floor(other) > floor(name)
    }


def test_no_file_imports_from_a_floor_above_but_for_the_methods_that_are_listed():
    assert not upwards(lazy=False)
    assert upwards(lazy=True) == UPWARDS


def test_the_house_is_small():
    assert len(ALL) <= 125
    packages = {name.split(".")[0] for name in ALL if "." in name}
    assert len(packages) == 9
    assert max(len(path.read_text().splitlines()) for path in ALL.values()) <= 700
    assert not [path for path in HOME.rglob("__init__.py") if len(path.relative_to(HOME).parts) > 2]


def test_there_are_no_import_circles():
    graph = {name: imports(name, path, lazy=False) for name, path in ALL.items()}
    # The reading of imports works, or all of this means nothing.
    assert {"errors", "data.splits"} <= graph["data.recording"]
    later = imports("methods.recordings", ALL["methods.recordings"], lazy=True) - graph["methods.recordings"]
    assert "evaluation.decode" in later
    assert {"figures.style", "errors"} <= graph["figures.decoding"]
    done, path = set(), []

    def walk(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for other in sorted(graph[name]):
            walk(other)
        path.pop()
        done.add(name)

    for name in sorted(graph):
        walk(name)


def test_imports_are_relative_so_that_the_checks_above_see_them():
    for name, path in ALL.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.split(".")[0] != "myow", name
            if isinstance(node, ast.Import):
                assert not [a.name for a in node.names if a.name.split(".")[0] == "myow"], name


def stub():
    """Names that the stub file declares, with the module that each comes from."""
    tree = ast.parse((HOME / "__init__.pyi").read_text())
    names = {
        a.asname or a.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names
    }
    return names, {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}


def test_the_stub_file_names_what_the_folder_holds():
    names, variables = stub()
    assert sorted(names.keys() | variables) == dir(myow)
    assert {method_class(m).__name__ for m in method_names()} <= names.keys()


def test_every_name_of_the_stub_is_there_and_is_what_it_says():
    names, variables = stub()
    assert names.pop("plot") is None
    assert myow.plot is sys.modules["myow.plot"]
    for name, module in names.items():
        assert getattr(myow, name) is getattr(sys.modules[f"myow.{module}"], name)
        assert name in sys.modules[f"myow.{module}"].__all__
    for name in variables:
        assert isinstance(getattr(myow, name), str)


def test_every_file_says_what_it_offers_and_has_a_docstring():
    for name, path in ALL.items():
        if name in ("__init__", "__main__"):
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), name
        offered = any(isinstance(n, ast.Name) and n.id == "__all__" for n in ast.walk(tree))
        if any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_") for n in tree.body):
            assert offered, f"{name} has no __all__"


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'myow' has no attribute 'MYWO'"):
        _ = myow.MYWO
    assert not hasattr(myow, "_private")
    assert not hasattr(myow, "byol")  # the class is BYOL


def loaded_by(code):
    probe = f"import sys\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split()[-10_000:])


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import myow", (*HEAVY, "numpy")),
        ("import myow.methods; myow.methods.method_names()", (*HEAVY, "numpy")),
        ("import myow.cli.commands", tuple(h for h in HEAVY if h != "rich")),
        ("import myow; myow.Recording", ("torch", "sklearn", "matplotlib", "pooch")),
    ],
)
def test_heavy_imports_wait_until_they_are_needed(code, absent):
    assert not loaded_by(code) & set(absent)


def test_training_and_embedding_load_no_plotting():
    code = (
        "import myow, numpy as np\n"
        "x = np.random.default_rng(0).poisson(2.0, (30, 4))\n"
        "myow.MYOW(steps=2, dim=4, device='cpu').fit(x).transform(x)"
    )
    assert not loaded_by(code) & {"matplotlib", "pooch", "rich", "typer"}
