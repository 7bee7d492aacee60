"""Every block of Python in README.md and in docs/ runs, from top to bottom of its page, as a reader would run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if "```python" in page.read_text())


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
    page = ROOT / "docs" / "training.md"
    program, lines = blocks(page).splitlines(), page.read_text(encoding="utf-8").splitlines()
    assert all(line in ("", lines[number]) for number, line in enumerate(program))
    wanted = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert [line for line in program if line] == [line for block in wanted for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path):
    (tmp_path / page.name).write_text(blocks(page), encoding="utf-8")
    command = [sys.executable, "-W", "error", page.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
