"""What a release is: a source archive, the wheel that is built from it, and that wheel where nothing else of it is."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = "import ranvier; from ranvier.lab.cli import main; print(ranvier.__file__); main()"
TRAINING = ["train", "yin-yang", "--delay", "synaptic", "--epochs", "2", "--quiet", "--out", "run"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive, and the wheel built from it, for every processor; compiled quickly rather than well."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "-C", "cmake.build-type=Debug", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.mark.slow
def test_the_archives_hold_what_they_should(built: tuple[Path, Path]):
    source, wheel = built
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CMakeLists.txt", "pyproject.toml", "LICENSE", "src/ranvier/event_driven/engine/ffi.cc"} <= inside
    assert not any(name.endswith((".so", ".dylib")) for name in inside)
    names = zipfile.ZipFile(wheel).namelist()
    assert sum(name.startswith("ranvier/event_driven/libengine.") for name in names) == 1
    assert not any("/engine/" in name or name.startswith(("src/", "tests/")) for name in names)
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("any.whl")


@pytest.mark.slow
def test_the_wheel_trains_without_a_compiler_and_without_the_sources(built: tuple[Path, Path], tmp_path: Path):
    """In an environment of its own, which has the dependencies of this one and no program but Python on its path."""
    venv.create(tmp_path / "env", with_pip=False)
    scripts = tmp_path / "env" / "bin"
    home = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env")}))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(home)]
    subprocess.run([*pip, str(built[1])], check=True, capture_output=True)
    (home / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own such files are not read
    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CXX", "CC")}
    bare |= {"PATH": str(scripts)}
    command = [scripts / "python", "-c", PROGRAM, *TRAINING]
    done = subprocess.run(command, cwd=tmp_path, env=bare, check=True, capture_output=True, text=True)
    assert Path(done.stdout.splitlines()[0]).is_relative_to(home)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
