"""Where a result comes from: versions, machine, commit."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("ranvier", "jax", "jaxlib", "equinox", "optax", "numpy")


def provenance() -> dict[str, Any]:
    """Versions, device, cores and commit, for `config.json` and `metrics.json`.

    Example:
        >>> from ranvier.train.provenance import provenance
        >>> sorted(provenance())
        ['commit', 'cores', 'device', 'versions']
    """
    return {"versions": versions(), "device": device(), "cores": cores(), "commit": commit()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def device() -> str:
    """What JAX computes on."""
    first = jax.devices()[0]
    return f"{first.platform}: {first.device_kind}"


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def commit() -> str | None:
    """Commit of the checkout that ranvier runs from, with `+` where files differ from it; None outside of one."""
    here = Path(__file__).parent
    asked = [["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "--", "."]]
    answers = []
    for question in asked:
        try:
            done = subprocess.run(["git", *question], cwd=here, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        answers.append(done.stdout.strip())
    return answers[0] + ("+" if answers[1] else "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
