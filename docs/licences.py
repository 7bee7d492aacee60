"""Writes `docs/inside/licences.md`: the licence of everything that ranvier installs, from what is installed here.

`python docs/licences.py`, in an environment with ranvier and its extras.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PAGE = Path(__file__).parent / "inside" / "licences.md"
HEAD = """# Licences

<!-- Written by docs/licences.py. -->

ranvier itself is under Apache-2.0. This is what it installs, and what its extras install, with what each package says
of its licence. The wheel of soundfile brings the library libsndfile, under LGPL-2.1, as a file of its own.

"""
EXTRAS = ("analysis", "dask", "jaxley", "neo", "nir", "tensorboard", "wandb")
"""Those that a user may install."""


def needed(name: str, extras: tuple[str, ...] = ()) -> Iterator[str]:
    """What a distribution needs on this Python."""
    from packaging.requirements import Requirement

    for line in distribution(name).requires or ():
        one = Requirement(line)
        chosen = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if one.marker is None or any(one.marker.evaluate(extra) for extra in chosen):
            yield one.name


def closure(names: list[str]) -> dict[str, str]:
    """Those packages and all that they need, with the licence of each; what is not installed is left out."""
    found: dict[str, str] = {}
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = licence(name)
            names += needed(name)
        except PackageNotFoundError:
            continue
    return found


def licence(name: str) -> str:
    """What a package says of its licence: an SPDX expression, else its classifiers, else the first words."""
    facts = distribution(name).metadata
    if facts.get("License-Expression"):
        return facts["License-Expression"]
    kinds = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or () if line.startswith("License ::")]
    told = (facts.get("License") or "").strip().partition("\n")[0][:60]
    return ", ".join(kinds) or told or "not said"


def table(rows: dict[str, str]) -> str:
    """Packages and licences."""
    lines = [f"| {name} | {told} |" for name, told in sorted(rows.items())]
    return "\n".join(["| package | licence |", "|---|---|", *lines]) + "\n"


def page() -> str:
    """The whole page."""
    own = closure(list(needed("ranvier")))
    more = closure([name for extra in EXTRAS for name in set(needed("ranvier", (extra,)))])
    optional = {name: told for name, told in more.items() if name not in own}
    return f"{HEAD}## Always\n\n{table(own)}\n## With extras\n\n{table(optional)}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
