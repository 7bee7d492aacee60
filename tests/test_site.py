"""The documentation site: it builds without a warning, every page is found, no link leads nowhere, nothing is fetched."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
USED = ("docs", "src", "benchmarks", "zensical.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml")
"""What the site is made of."""


def places(entries: list[Any]) -> Iterator[str]:
    """The pages of the navigation, in order."""
    for entry in entries:
        for inside in entry.values() if isinstance(entry, dict) else [entry]:
            yield from places(inside) if isinstance(inside, list) else [inside]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy, so that nothing is left behind and two test processes do not meet."""
    copy = tmp_path_factory.mktemp("site")
    unused = shutil.ignore_patterns("__pycache__", "*.so")
    for name in USED:
        source, target = ROOT / name, copy / name
        shutil.copytree(source, target, ignore=unused) if source.is_dir() else shutil.copy(source, target)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    done = subprocess.run(
        command, cwd=copy, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}, timeout=300, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:]
    assert "griffe:" not in told, told  # docstrings that say something else than the signature
    return copy / "site"


class Links(HTMLParser):
    """Where a page points to, what it loads, and the names of its places."""

    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names.update(given[key] for key in ("id", "name") if key in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def read(site: Path) -> dict[Path, Links]:
    """Every page of the site."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Links()
        found[path].feed(path.read_text("utf-8"))
    return found


def test_every_page_is_in_the_navigation():
    listed = list(places(SETTINGS["nav"]))
    assert sorted(set(listed)) == sorted(listed)
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert set(listed) == there


def test_every_picture_is_shown():
    text = "".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert [
        path.name for path in (ROOT / "docs" / "figures").glob("*.png") if f"figures/{path.name})" not in text
    ] == []


def test_every_page_is_there(site: Path):
    for place in places(SETTINGS["nav"]):
        assert (site / place).with_suffix(".html").is_file(), place


def test_no_link_leads_nowhere(site: Path, read: dict[Path, Links]):
    wrong = []
    for path, page in read.items():
        if path.name == "404.html":
            continue
        for link in page.links + page.loaded:
            if re.match(r"[a-z]+:", link):
                continue
            where, _, place = unquote(link).partition("#")
            target = (path.parent / where).resolve() if where else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (place and target in read and place not in read[target].names):
                wrong.append((str(path.relative_to(site)), link))
    assert wrong == []
    assert sum(len(page.links) for page in read.values()) > 500


def test_nothing_is_fetched_from_elsewhere(read: dict[Path, Links]):
    loaded = {link for page in read.values() for link in page.loaded}
    assert loaded
    assert [link for link in loaded if re.match(r"([a-z]+:)?//", link)] == []


def test_links_of_the_readme_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"):
        text = (ROOT / name).read_text("utf-8")
        told = re.findall(r"docs/[\w/-]+\.\w+", text)
        linked = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
        assert [path for path in told if not (ROOT / path).exists()] == []
        assert [path for path in linked if not (ROOT / name).parent.joinpath(path).exists()] == []


PACKAGES = sorted(path.parent for path in (ROOT / "src" / "ranvier").rglob("__init__.py"))


def test_every_package_says_what_it_is_for():
    tree = (ROOT / "docs" / "inside" / "tree.md").read_text("utf-8")
    for folder in [*PACKAGES, ROOT / "src" / "ranvier" / "event_driven" / "engine"]:
        page = folder / "README.md"
        assert page.is_file(), folder
        lines = page.read_text("utf-8").splitlines()
        name = str(folder.relative_to(ROOT / "src")).replace("/", ".")
        assert lines[0] in (f"# {name}", "# The tree of ranvier", "# The engine of EventDriven")
        assert len(lines) <= 40, "a page that is longer than a screen is not read"
        assert not any(line.startswith("#") for line in lines[1:])  # it is a section of docs/inside/tree.md
        assert "**To " in page.read_text("utf-8") or folder.name == "ranvier", folder
        assert f'"src/{page.relative_to(ROOT / "src")}:3"' in tree


def test_what_the_readmes_of_packages_name_is_there():
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src" / "ranvier").rglob("*.py"))
    for folder in [*PACKAGES, ROOT / "src" / "ranvier" / "event_driven" / "engine"]:
        text = (folder / "README.md").read_text("utf-8")
        for name in re.findall(r"`([\w./-]+(?:\.py|\.h|\.cc|\.html|\.md|/))`", text):
            assert (folder / name).exists() or (ROOT / name).exists() or name == "path/to/task.py", (folder, name)
        for name in re.findall(r"`ranvier\.([\w.]+)`", text):
            assert importlib.util.find_spec(f"ranvier.{name}") is not None, (folder, name)
        for name in re.findall(r"`([A-Z]\w+|[a-z]+_\w+)`", text):
            assert re.search(rf"^( *)(class|def|) ?{name}\b|^{name} = ", source, re.MULTILINE), (folder, name)
        for name in re.findall(r"`([a-z]\w+)`", text):
            assert re.search(rf"\b{name}\b", source), (folder, name)
