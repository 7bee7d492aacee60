"""The documentation site: it builds without a warning, every page is found, no link leads nowhere, nothing is fetched."""

import ast
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
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

import ranvier as rv

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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


def exported(package: str) -> set[str]:
    """What a package offers: the names that its `__init__` imports as themselves."""
    tree = ast.parse((ROOT / "src" / package.replace(".", "/") / "__init__.py").read_text("utf-8"))
    found = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return {name for name in found if name and not name.startswith("_")}


DOCUMENTED = ("checks", "clock_driven", "datasets", "delays", "encoders", "hardware", "lab", "neurons", "plots", "queues",
              "regularizers", "simulation", "train", "viewer", "interop.jaxley", "interop.nir", "interop.recordings",
              "interop.scripts")  # fmt: skip
"""Packages whose every public name is in the reference, docs/reference: a line `::: ranvier.PACKAGE.NAME`."""

MODULES = ("augmentations", "checkpoints", "initializers", "integrators", "layouts", "losses", "patterns", "readouts",
           "summaries", "surrogates", "synapses", "taps", "topology", "wiring")  # fmt: skip
"""Modules of which the same is true."""


def defined(module: str) -> set[str]:
    """The public classes and functions of a module."""
    tree = ast.parse((ROOT / "src" / "ranvier" / f"{module}.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_"}


def test_everything_public_is_in_the_reference(read: dict[Path, Links]):
    names = {name for path, page in read.items() if path.parent.name == "reference" for name in page.names}
    last = {name.rsplit(".", 1)[-1] for name in names}
    modules = {name for name in rv.__all__ if isinstance(getattr(rv, name), ModuleType)}
    assert set(rv.__all__) - modules - last == set()
    for package in DOCUMENTED:
        missing = {name for name in exported(f"ranvier.{package}") if name not in last}
        assert missing == set(), package
    for module in MODULES:
        assert defined(module) - last == set(), module


LOOK = """<!doctype html><body><script>
const [width, ...pages] = location.hash.slice(1).split(",");
async function look(page) {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:800px`;
  const loaded = new Promise(done => (frame.onload = done));
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const inside = frame.contentDocument.documentElement;
  const found = `${inside.scrollWidth - inside.clientWidth}`;
  frame.remove();
  return found;
}
(async () => {
  const found = [];
  for (const page of pages) found.push(await look(page));
  document.title = "too wide by " + found.join(" ");
})();
</script>"""
"""Opens pages in a frame of a given width, and says by how much each is too wide."""


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_into_a_browser_and_a_phone(site: Path, width: int, tmp_path: Path):
    if BROWSER is None:
        pytest.skip("no browser here: apt-get install chromium")
    (site / "look.html").write_text(LOOK, "utf-8")
    pages = ["index.html", "choose.html", "comparison.html", "reference/simulation.html", "coming-from/snntorch.html"]
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               "--enable-logging=stderr", "--window-size=1400,900", "--virtual-time-budget=20000",
               f"--user-data-dir={tmp_path}", "--dump-dom", f"{(site / 'look.html').as_uri()}#{width},{','.join(pages)}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert f"<title>too wide by {' '.join('0' * len(pages))}</title>" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


def test_figures_are_drawn_by_their_script(tmp_path: Path):
    script = ROOT / "docs" / "figures" / "draw.py"
    cheap = ["kernels", "lost_events", "surrogates"]
    command = [sys.executable, "-W", "error", str(script), *cheap, "--into", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == cheap
    listed = re.search(r"^FIGURES = \((.*?)\)", script.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert listed is not None
    for name in re.findall(r"\w+", listed[1]):
        assert (script.parent / f"{name}.png").stat().st_size > 1000, name


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
