"""What `import ranvier as rv` gives: everything in `__all__`, some of it imported when it is first used."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ranvier as rv
from ranvier.lab.bench import import_time

FILE = Path(rv.__file__)

FRESH = """
import json, sys
import ranvier as rv

before, listed = sorted(sys.modules), dir(rv)
kinds = {name: type(getattr(rv, name)).__name__ for name in rv.__all__}
print(json.dumps({"before": before, "listed": listed, "kinds": kinds, "after": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def fresh() -> dict:
    """A fresh interpreter's modules before and after it has used every name."""
    environment = {"PYTHONPATH": str(FILE.parents[1]), "PATH": ""}
    command = [sys.executable, "-c", FRESH]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_name_is_there_in_a_fresh_interpreter(fresh: dict):
    assert set(fresh["kinds"]) == set(rv.__all__)
    assert fresh["kinds"]["plots"] == fresh["kinds"]["train"] == "module"
    assert fresh["kinds"]["fit"] == "function"


def test_names_are_listed_before_they_are_used(fresh: dict):
    """So that tab completion knows them."""
    assert set(rv.__all__) <= set(fresh["listed"])
    assert len(set(fresh["listed"])) == len(fresh["listed"])


@pytest.mark.parametrize("package", ["h5py", "matplotlib", "optax", "rich", "typer"])
def test_heavy_packages_are_imported_when_they_are_used(fresh: dict, package: str):
    assert package not in fresh["before"]


def test_what_is_used_later_is_imported_later(fresh: dict):
    """The same names without the delay would fail the test above: they do need those packages."""
    assert {"matplotlib", "rich"} <= set(fresh["after"])
    later = {"checks", "clock_driven", "closed_form", "event_driven", "hardware", "plots", "train"}
    assert not {f"ranvier.{name}" for name in later}.intersection(fresh["before"])


def test_type_checkers_know_every_name():
    """The imports of `__init__.py`, those for type checkers included, give exactly `__all__`, from where it is found."""
    body = ast.parse(FILE.read_text("utf-8")).body
    later = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = {}
    for node in [*body, *later[0].body]:
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("ranvier", "equinox"):
            found |= {alias.asname: (node.module, alias.name) for alias in node.names}
    assert set(found) == set(rv.__all__)
    for name, (module, original) in found.items():
        wanted = importlib.import_module(module)
        wanted = importlib.import_module(f"ranvier.{name}") if module == "ranvier" else getattr(wanted, original)
        assert getattr(rv, name) is wanted, name


def test_names_are_found_once_only():
    """A name that was looked up is an attribute from then on: `rv.EventDriven` in a loop costs nothing."""
    assert all(name in vars(rv) for name in rv.__all__ if not isinstance(getattr(rv, name), ModuleType))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'ranvier' has no attribute 'EventDrivn'") as caught:
        rv.EventDrivn  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("EventDrivn", rv)  # from which Python suggests EventDriven
    assert not hasattr(rv, "normal"), "less common names live in submodules only"
    with pytest.raises(ImportError):
        from ranvier import nothing  # noqa: F401


def test_the_bench_tells_what_each_import_adds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(import_time, "STEPS", {"first": "import json, decimal", "second": "import decimal, graphlib"})
    first, second = import_time.measure(repeats=1)
    assert (first["import"], second["import"]) == ("first", "second")
    assert first["modules"] >= 1 == second["modules"]
    assert second["seconds"] > 0
