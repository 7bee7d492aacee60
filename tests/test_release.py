"""What a release promises: one version, types that hold, pages that are up to date, extras that say how to install them."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jax
import pytest

import ranvier as rv
from ranvier.interop import _require
from ranvier.lab.executors import Dask

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_version_stands_in_one_place_and_the_others_agree():
    version = PROJECT["version"]
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == version


def test_a_users_program_passes_pyright_in_strict_mode(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text((ROOT / "tests" / "strict.py").read_text("utf-8"), "utf-8")
    settings = {"include": ["program.py"], "extraPaths": [str(ROOT / "src")], "pythonVersion": "3.11"}
    settings |= {"typeCheckingMode": "strict", "reportMissingTypeStubs": False}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(Path(sys.executable).with_name("pyright")), "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, "--project", str(tmp_path)], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert [f"{one['range']['start']['line']}: {one['message']}" for one in found["generalDiagnostics"]] == []
    assert found["summary"]["filesAnalyzed"] == 1


def run_page(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return import_module(name)
    finally:
        sys.path.pop(0)


def test_the_reference_of_the_command_line_is_what_the_commands_say():
    module = run_page("command_line")
    assert module.PAGE.read_text("utf-8") == module.page(), "run: python docs/command_line.py"


def test_every_package_that_users_install_has_its_licence_in_the_table():
    module = run_page("licences")
    text = module.PAGE.read_text("utf-8")
    wanted = module.closure(list(module.needed("ranvier")))
    assert len(wanted) > 20
    for name, licence in wanted.items():
        assert f"| {name} | " in text, "run: python docs/licences.py"
        assert "GPL" not in licence, (name, licence)


def network() -> rv.Network:
    return rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))


EXTRAS = {
    "analysis": ("networkx", lambda: rv.topology.modularity(network())),
    "dask": ("distributed", lambda: Dask("tcp://127.0.0.1:1").run([], print)),
    "jaxley": ("jaxley", lambda: import_module("ranvier.interop.jaxley")),
    "neo": ("neo", lambda: rv.interop.recordings.to_neo(rv.Spikes([1.0], [0]), t_end=2.0)),
    "nir": ("nir", lambda: import_module("ranvier.interop.nir")),
    "tensorboard": ("tensorboard", lambda: rv.train.TensorBoard("logs").start(1, 0)),
    "wandb": ("wandb", lambda: rv.train.WeightsAndBiases("mine").start(1, 0)),
}


def test_every_extra_is_in_the_list():
    assert set(PROJECT["optional-dependencies"]) == {*EXTRAS, "dev", "docs", "peers", "release"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_extra_is_told_with_the_command_that_installs_it(extra: str, monkeypatch: pytest.MonkeyPatch):
    package, use = EXTRAS[extra]
    needed = {re.split(r"[<>=\[; ]", line)[0].lower() for line in PROJECT["optional-dependencies"][extra]}
    assert package in needed
    for name in [
        name for name in sys.modules if name.partition(".")[0] == package or name == f"ranvier.interop.{package}"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not there
    real = _require.import_module

    def missing(name: str) -> ModuleType:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name=package)
        return real(name)

    monkeypatch.setattr(_require, "import_module", missing)
    with pytest.raises(ImportError, match=rf"{package}, which is not installed[:;] pip install 'ranvier\[{extra}\]'\."):
        use()
