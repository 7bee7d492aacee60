"""Every block of Python in README.md and in docs/ runs, from top to bottom of its page, as a reader would run it.

Blocks of other languages, and other libraries' code, are marked ```text.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import COMPILE_FAST

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "```python" in page.read_text())
KNOWN = {"python", "sh", "toml", "text", ""}


def blocks(page: Path) -> str:
    """The blocks of a page as one program, each at the line where it stands, so that errors name the right one."""
    lines = page.read_text(encoding="utf-8").splitlines()
    inside, program = False, []
    for line in lines:
        fence = line.startswith("```")
        program.append("" if fence or not inside else line)
        inside = line == "```python" if fence and not inside else inside and not fence
    return "\n".join(program)


def test_blocks_are_found_where_they_stand():
    page = ROOT / "docs" / "tutorials" / "own-data.md"
    program, lines = blocks(page).splitlines(), page.read_text(encoding="utf-8").splitlines()
    assert all(line in ("", lines[number]) for number, line in enumerate(program))
    wanted = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert [line for line in program if line] == [line for block in wanted for line in block.splitlines() if line]


def test_every_block_says_what_it_is():
    """A block in a list or a tab is indented, and would not run: it is found by its fence."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        fences = re.findall(r"^( *)```(.*)$", text, re.MULTILINE)
        assert {kind for _, kind in fences} <= KNOWN, page
        assert all(kind != "python" or not indent for indent, kind in fences), page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, str], tuple[int, str]]]:
    """Runs a program in a folder; pages share compiled programs, which are compiled quickly rather than well."""
    shared = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("programs")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": COMPILE_FAST,
    }
    command = [sys.executable, str(Path(__file__).parent / "pages.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | shared) as server:

        def ask(folder: Path, program: str) -> tuple[int, str]:
            server.stdin.write(f"{folder} {program}\n")
            server.stdin.flush()
            return int(server.stdout.readline()), (folder / f"{program}.out").read_text(encoding="utf-8")

        yield ask


def test_a_wrong_page_fails(run: Callable[[Path, str], tuple[int, str]], tmp_path: Path):
    for program, told in {
        "import warnings; warnings.warn('old')": "UserWarning: old",
        "assert 1 == 2": "AssertionError",
        "import sys; sys.exit(3)": "",
    }.items():
        (tmp_path / "page.md").write_text(program, encoding="utf-8")
        status, output = run(tmp_path, "page.md")
        assert status != 0
        assert told in output


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_page_runs_from_top_to_bottom(page: Path, run: Callable[[Path, str], tuple[int, str]], tmp_path: Path):
    (tmp_path / page.name).write_text(blocks(page), encoding="utf-8")
    status, output = run(tmp_path, page.name)
    assert status == 0, output[-3000:]
