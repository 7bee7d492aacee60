"""Into other people's tools, and back: `ranvier.interop.jaxley`, `nir`, `scripts`,
`recordings`.

Modules that need a package of their own import it when they are first used, and where it is missing one sentence says
how to get it.
"""

from importlib import import_module as _import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ranvier.interop import jaxley as jaxley
    from ranvier.interop import nir as nir
    from ranvier.interop import recordings as recordings
    from ranvier.interop import scripts as scripts

__all__ = ["jaxley", "nir", "recordings", "scripts"]


def __getattr__(name: str) -> ModuleType:
    """Import a module when it is first used."""
    if name not in __all__:
        msg = f"module 'ranvier.interop' has no attribute {name!r}"
        raise AttributeError(msg)
    return _import_module(f"ranvier.interop.{name}")
