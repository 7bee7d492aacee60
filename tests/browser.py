"""A browser without a screen, for tests of pages."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ADVICE = "willReadFrequently"
"""In what Chromium says of a page that reads a drawing back, as ours does to measure how long it took."""


def browse(page: Path, after: str, *options: str, size: tuple[int, int] = (1200, 800)) -> str:
    """What a browser without a screen makes of a page; an error in its console fails the test.

    Args:
        page: The file.
        after: What stands behind the # of the address.
        *options: `--dump-dom` for the document, `--screenshot=FILE` for a picture.
        size: Width and height of the window.
    """
    if BROWSER is None:
        pytest.skip("no browser here: apt-get install chromium")
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={size[0]},{size[1]}",
               "--hide-scrollbars", "--virtual-time-budget=500", f"--user-data-dir={page.parent / 'browser'}",
               "--enable-logging=stderr", *options]  # fmt: skip
    done = subprocess.run(
        [*command, f"{page.as_uri()}#{after}"], capture_output=True, text=True, timeout=120, check=True
    )
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line and ADVICE not in line]
    assert said == []
    return done.stdout
