"""The cases of the delay study: which parameters learn, how many hidden neurons, and the numbers that suit them."""

import dataclasses
import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from ranvier.lab.studies.together.case import AbstractCase, Numbers

KINDS: dict[str, dict[str, Any]] = {
    "weights": {"delay": "none"},
    "axonal": {"delay": "axonal"},
    "dendritic": {"delay": "dendritic"},
    "synaptic": {"delay": "synaptic"},
    "delays-only": {"delay": "synaptic", "weight": "fixed"},
}
"""What learns, by name: weights alone, weights and delays of some kind, or synaptic delays alone."""

CHOSEN = "delay_numbers.json"
"""The committed outcome of the search."""


@dataclasses.dataclass(frozen=True)
class Case(AbstractCase):
    """One point of the study.

    Args:
        kind: What learns, a name in `KINDS`.
        hidden: Hidden neurons.

    Raises:
        SettingError: the kind is unknown, or there is no hidden neuron.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case
        >>> [Case(kind, 30).parameters for kind in ("weights", "axonal", "dendritic", "synaptic", "delays-only")]
        [210, 244, 243, 420, 210]
    """

    kinds: ClassVar[Mapping[str, dict[str, Any]]] = KINDS

    @property
    def more(self) -> dict[str, Any]:
        """Nothing."""
        return {}


def read_numbers(path: Path | None = None) -> dict[str, dict[int, Numbers]]:
    """Chosen numbers by kind and number of hidden neurons, from a file of the search; default the committed one.

    Raises:
        ValueError: the file is not one of the search.
    """
    text = (files("ranvier.lab.studies.delays") / CHOSEN if path is None else path).read_text("utf-8")
    try:
        return {
            kind: {int(hidden): Numbers(**one["numbers"]) for hidden, one in sizes.items()}
            for kind, sizes in json.loads(text)["chosen"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path or CHOSEN} was not written by 'ranvier study delays-yin-yang-search' ({error!r})."
        raise ValueError(msg) from error


def numbers_for(case: Case, chosen: dict[str, dict[int, Numbers]]) -> Numbers:
    """The numbers of the nearest size, in ratio, that was searched.

    Raises:
        ValueError: none was searched for this kind.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case, numbers_for
        >>> from ranvier.lab.studies.together.case import Numbers
        >>> small, large = Numbers(0.1, 0.1, 1.0, 1.0, 0.1), Numbers(0.01, 0.01, 1.0, 1.0, 0.1)
        >>> numbers_for(Case("axonal", 10), {"axonal": {5: small, 30: large}}).weight_lr
        0.1
    """
    sizes = chosen.get(case.kind)
    if not sizes:
        msg = f"no numbers were chosen for {case.kind}; search them: ranvier study delays-yin-yang-search."
        raise ValueError(msg)
    return sizes[min(sizes, key=lambda size: abs(math.log(size / case.hidden)))]
