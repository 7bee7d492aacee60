"""Packages that are not there: one sentence that says what to install."""

from importlib import import_module
from types import ModuleType


def require(package: str, owner: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: Its name as it is imported.
        owner: What needs it, for the message.
        extra: The extra of ranvier that installs it.

    Returns:
        The package.

    Raises:
        ImportError: it is not installed.

    Example:
        >>> from ranvier.interop._require import require
        >>> require("math", "an example", "none").sqrt(4.0)
        2.0
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        msg = f"{owner} needs the package {package}, which is not installed: pip install 'ranvier[{extra}]'."
        raise ImportError(msg) from error
