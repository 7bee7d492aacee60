"""Fetching a published file: whole, or not at all."""

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SECONDS = 30.0
"""How long a silent connection is waited for."""


def fetch(url: str, path: Path, md5: str) -> None:
    """Fetch a file, unless it is there. Nothing appears at `path` before the digest is found to be right.

    Args:
        url: Where it is published.
        path: Where it goes; folders are made.
        md5: Its published digest.

    Raises:
        OSError: it cannot be reached, or the connection breaks off.
        ValueError: what came has another digest.

    Example:
        >>> import hashlib, pathlib, tempfile
        >>> from ranvier.datasets.downloads import fetch
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "one").write_bytes(b"abc")
        3
        >>> fetch((folder / "one").as_uri(), folder / "two", hashlib.md5(b"abc").hexdigest())
        >>> (folder / "two").read_bytes()
        b'abc'
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.md5(usedforsecurity=False)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file, _open(url) as response:
            while block := _block(url, response):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != md5:
            msg = f"{url}: what came has the md5 {digest.hexdigest()}, not the published {md5}; try again later."
            raise ValueError(msg)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _block(url: str, response: Any) -> bytes:
    """The next bytes of a file."""
    try:
        return response.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        msg = f"{url}: the connection broke off ({error}); nothing is kept of it, try again."
        raise OSError(msg) from error


def _open(url: str) -> Any:
    try:
        return urllib.request.urlopen(url, timeout=SECONDS)
    except urllib.error.URLError as error:
        msg = f"{url} cannot be reached ({error.reason}); fetch the file by other means, and put it into the folder."
        raise OSError(msg) from error
