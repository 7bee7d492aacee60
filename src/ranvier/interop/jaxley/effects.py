"""Effects: what a synapse does to the voltage of the receiving compartment."""

import abc
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ranvier.rules import check, finite

Parameters = Mapping[str, Float[Array, "*shape"]]


class AbstractEffect(eqx.Module):
    """The current of a synapse. `code` names it in tables of Jaxley."""

    code: eqx.AbstractClassVar[str]

    @abc.abstractmethod
    def parameters(self) -> dict[str, float]:
        """Parameters of each synapse, with their values at first."""

    @abc.abstractmethod
    def current(
        self, g: Float[Array, "*shape"], voltage: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """Current (nA) out of the receiving compartment, as Jaxley counts it, at its voltage (mV)."""


class Conductance(AbstractEffect):
    """A conductance, `I = gS g (v - e_syn)`.

    Args:
        gS: Weight (uS) with which a synapse starts: the jump of the conductance, or its peak.
        e_syn: Reversal potential (mV) with which a synapse starts.

    Raises:
        ValueError: one of them is not finite.

    Example:
        >>> from ranvier.interop.jaxley import Conductance
        >>> Conductance(gS=2e-4, e_syn=-70.0).parameters()
        {'gS': 0.0002, 'e_syn': -70.0}
    """

    gS: float = eqx.field(static=True)
    e_syn: float = eqx.field(static=True)
    code: ClassVar[str] = ""

    def __init__(self, gS: float = 1e-4, e_syn: float = 0.0):
        self.gS, self.e_syn = float(gS), float(e_syn)
        check("Conductance", [finite("gS", self.gS), finite("e_syn", self.e_syn)])

    def parameters(self) -> dict[str, float]:
        """`gS` (uS) and `e_syn` (mV)."""
        return {"gS": self.gS, "e_syn": self.e_syn}

    def current(
        self, g: Float[Array, "*shape"], voltage: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """`gS g (v - e_syn)`."""
        return parameters["gS"] * g * (voltage - parameters["e_syn"])


class Current(AbstractEffect):
    """A current, `I = -iS g`, whatever the voltage.

    Args:
        iS: Weight (nA) with which a synapse starts; above 0 it depolarises.

    Raises:
        ValueError: it is not finite.

    Example:
        >>> from ranvier.interop.jaxley import Current
        >>> Current(iS=0.01).parameters()
        {'iS': 0.01}
    """

    iS: float = eqx.field(static=True)
    code: ClassVar[str] = "Current"

    def __init__(self, iS: float = 1e-3):
        self.iS = float(iS)
        check("Current", [finite("iS", self.iS)])

    def parameters(self) -> dict[str, float]:
        """`iS` (nA)."""
        return {"iS": self.iS}

    def current(
        self, g: Float[Array, "*shape"], voltage: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """`-iS g`, in the shape of the voltage."""
        return -parameters["iS"] * g + 0.0 * voltage
