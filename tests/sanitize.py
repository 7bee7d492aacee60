"""The engine's tests under the compiler's sanitizers: `make sanitize`. Linux, with g++ or clang++ and CMake.

The engine is built once more for each, with a copy of the package around it, so that nothing installed changes. Python,
XLA and what else runs beside it are as always; so of races only those count that the engine has a part in. A child
after `fork` cannot be watched.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "ranvier"
CHECKED = {
    "address": ["test_event_driven.py", "test_summaries.py", "test_engine_calls.py", "test_gradient_values.py"],
    "thread": ["test_engine_calls.py"],
}
"""Tests by sanitizer; `address` looks at undefined behaviour, too."""
RUNTIME = {"address": "libasan.so", "thread": "libtsan.so"}


def build(kind: str) -> Path:
    """Build the engine with a sanitizer; the folder for Python's path."""
    folder = ROOT / "build" / f"sanitize-{kind}"
    configure = ["cmake", "-S", ROOT, "-B", folder, f"-DRANVIER_SANITIZE={kind}", "-DRANVIER_NATIVE=ON",
                 f"-DPython_EXECUTABLE={sys.executable}"]  # fmt: skip
    subprocess.run(configure, check=True)
    subprocess.run(["cmake", "--build", folder, "--parallel", "2"], check=True)
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.copytree(PACKAGE, folder / "src" / "ranvier", ignore=shutil.ignore_patterns("__pycache__", "libengine.*"))
    shutil.copy(folder / "libengine.so", folder / "src" / "ranvier" / "event_driven")
    return folder


def runtime(kind: str) -> str:
    """What has to be loaded before Python: the sanitizer, and the C++ library whose functions it replaces."""
    compiler = os.environ.get("CXX", "c++")
    ask = lambda name: subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()
    return f"{ask(RUNTIME[kind])}:{ask('libstdc++.so.6')}"


def both_sides(race: str) -> bool:
    """Whether both accesses of a report are the engine's own: how XLA hands memory and work over, nobody watches."""
    sides = re.split(r"\n\n", race)[:2]
    top = ["".join(re.findall(r"^    #[01] .*", side, re.MULTILINE)) for side in sides]
    return len(sides) == 2 and all("libengine.so" in one and "ffi.h" not in one for one in top)


def check(kind: str, arguments: list[str]) -> int:
    """Run the tests of one sanitizer; 0 if all is well."""
    folder = build(kind)
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    options = {"ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": f"exitcode=0:log_path={reports}/race"}
    environment = os.environ | options | {"PYTHONPATH": str(folder / "src"), "LD_PRELOAD": runtime(kind)}
    tests = [str(ROOT / "tests" / name) for name in CHECKED[kind]]
    still = ["setarch", "-R"]  # the thread sanitizer wants memory where it expects it
    command = [
        *still,
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-q",
        *tests,
        "-k",
        "not fork",
        *arguments,
    ]
    failed = subprocess.run(command, env=environment, cwd=ROOT).returncode
    races = [race for file in reports.iterdir() for race in file.read_text().split("==================\n")]
    ours = [race for race in races if both_sides(race)]
    sys.stdout.write("".join(ours) + f"{kind}: exit status {failed}, {len(ours)} reports of the engine\n")
    return failed or len(ours)


if __name__ == "__main__":
    sys.exit(max(check(kind, sys.argv[1:]) for kind in CHECKED))
