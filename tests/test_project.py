"""House rules that no tool checks: budgets, annotations, and an import without side effects."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from conftest import FAST

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ranvier"
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 45

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions() -> Iterator[tuple[str, Function]]:
    """Every function of the package, methods and nested ones included, with the place where it stands."""
    for path in MODULES:
        for node in ast.walk(parse(path)):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_the_package_is_there():
    assert SOURCE / "__init__.py" in MODULES
    assert (SOURCE / "py.typed").is_file()


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {path: n for path, n in lengths.items() if n > MAX_FILE_LINES} == {}


def code_lines(node: Function) -> int:
    """Lines of a function without its docstring, which may be as long as it needs."""
    documented = ast.get_docstring(node) is not None
    return node.end_lineno - node.lineno + 1 - (node.body[0].end_lineno - node.body[0].lineno + 1) * documented


def test_functions_are_short():
    lengths = {place: code_lines(node) for place, node in functions()}
    assert {place: n for place, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_modules_have_docstrings():
    assert [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(parse(path))] == []


def unannotated(node: Function) -> list[str]:
    arguments = node.args
    named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [a.arg for a in named + starred if a.annotation is None and a.arg not in ("self", "cls")]


def test_arguments_are_annotated():
    assert {place: missing for place, node in functions() if (missing := unannotated(node))} == {}


def test_annotations_are_not_postponed():
    """`from __future__ import annotations` would turn shape annotations into strings that nothing checks."""
    offenders = [
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if any(alias.name == "annotations" for alias in node.names)
    ]
    assert offenders == []


def test_no_public_name_hides_a_module():
    """A name in `__all__` that is also a submodule's name must be that submodule and nothing else."""
    import ranvier

    assert sorted(set(ranvier.__all__)) == sorted(ranvier.__all__)
    hidden = [
        name
        for name in ranvier.__all__
        if not isinstance(getattr(ranvier, name), ModuleType)
        if importlib.util.find_spec(f"ranvier.{name}") is not None
    ]
    assert hidden == []


def test_the_files_of_the_fast_tests_are_there():
    there = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert sorted(set(FAST)) == list(FAST)
    assert set(FAST) - there == set()
    assert len(FAST) < len(there) / 2


def test_a_test_of_such_a_file_is_marked(request: pytest.FixtureRequest):
    assert "project" in FAST
    assert request.node.get_closest_marker("fast") is not None


IMPORT_PROBE = """
import json, sys
import jax
from jax._src import xla_bridge

before = dict(jax.config.values)
import ranvier
after = dict(jax.config.values)

print(json.dumps({
    "changed": [name for name in after if before.get(name) != after[name]],
    "backends": sorted(xla_bridge._backends),
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """What `import ranvier` did to a fresh interpreter."""
    path = os.pathsep.join(filter(None, [str(SOURCE.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", IMPORT_PROBE]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_import_changes_no_jax_setting(imported: dict[str, list[str]]):
    assert imported["changed"] == []


def test_import_starts_no_backend(imported: dict[str, list[str]]):
    assert imported["backends"] == []


def test_import_loads_no_optional_package(imported: dict[str, list[str]]):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    unwanted = {*contracts["optional-packages"]["forbidden_modules"], "h5py", "matplotlib", "rich", "click"}
    assert sorted(unwanted.intersection(imported["modules"])) == []


ENGINE = SOURCE / "event_driven" / "engine"
CPP = sorted(path for path in ENGINE.rglob("*") if path.suffix in (".h", ".cc"))
MAX_CPP_FUNCTION_LINES = 60
LOWER = {"physics": {"physics"}, "network": {"physics", "network", ""}, "passes": {"physics", "network", "passes", ""}}
STANDARD = {"cmath", "cstdint", "cstdlib", "cstring", "new", "memory", "immintrin.h"}


def includes(path: Path) -> list[str]:
    return re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text("utf-8"), re.MULTILINE)


def test_the_engine_is_there():
    assert {path.name for path in CPP} >= {"flow.h", "plan.h", "forward.h", "backward.h", "simd.h", "ffi.cc"}


def test_files_and_functions_of_the_engine_are_short():
    assert [path.name for path in CPP if len(path.read_text("utf-8").splitlines()) > MAX_FILE_LINES] == []
    for path in CPP:
        start = None
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            if re.match(r"( {4})?[^\s/#}].*\) ?(const )?(noexcept )?\{$", line) and start is None:
                start, indent = number, len(line) - len(line.lstrip())
            elif start is not None and line.startswith(" " * indent + "}"):
                assert number - start < MAX_CPP_FUNCTION_LINES, (path.name, start + 1)
                start = None


def test_the_engine_knows_plain_arrays_only():
    """XLA in one file, Python in none, and folders that include only what is below them."""
    for path in CPP:
        folder = path.parent.name if path.parent != ENGINE else ""
        for name in includes(path):
            if name.startswith("xla/"):
                assert path.name == "ffi.cc"
            assert "Python.h" not in name
            local = (path.parent / name).resolve()
            if folder and local.is_file():
                assert (local.parent.name if local.parent != ENGINE else "") in LOWER[folder], (path.name, name)
            elif folder:
                assert name in STANDARD, (path.name, name)
