"""Waking neurons that never fire, by a step of its own after the optimiser's."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ranvier.connections import Connection
from ranvier.events import spike_count
from ranvier.network import Network
from ranvier.simulation import Solution

INNER_LIMIT = 0.3
"""Default limit of populations that send spikes to others: a neuron may answer to some samples only."""
LAST_LIMIT = 0.0
"""Default limit of populations that send to nobody: a silent output cannot be compared with the others."""


class RecoveryState(eqx.Module):
    """How much help each neuron gets when next it needs some; goes from batch to batch and into checkpoints.

    Args:
        increment: For each spiking population the increment of the weights onto each neuron, shape (size,).

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.regularizers import SilentRecovery
        >>> network = rv.feedforward([4, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> SilentRecovery(step=0.5).init(network).increment["output"].tolist()
        [0.5, 0.5, 0.5]
    """

    increment: dict[str, Float[Array, " size"]]


class SilentRecovery(eqx.Module):
    """Raise all weights onto neurons that are silent too often, by more from batch to batch until they fire.

    If neuron j is silent in more than `limit` of a batch's samples, every weight of every connection onto it
    gets `w_ij += min(2^n step, max_step)`, n the number of batches in a row just before in which it was so.
    Populations without threshold are left out.

    Weights move even where the optimiser may not touch them.

    Args:
        step: First increment, in units of the weights, > 0. The default is 0.0005, as in Göltz et al., times
            their tau_mem = 2: there V' = -V/tau_mem + I, here tau_mem V' = -V + I.
        limit: Share of silent samples above which a neuron is helped, in [0, 1]; 1 is never. A number for all
            populations or {population: limit}. Where not given: 0 for those that send to nobody, else 0.3.
        max_step: Where the doubling ends, >= step, so that a neuron whose inputs are silent stays finite.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from ranvier.regularizers import SilentRecovery
        >>> SilentRecovery(limit={"hidden": 0.5}).step
        0.001

    Source: weight bumping of Göltz et al., Nat. Commun. 16 (2025), doi:10.1038/s41467-025-63120-y. There the
    first layer with too many silent (sample, neuron) pairs gets the increment, on each neuron that was silent
    once, and that batch's step is skipped. Here each neuron is judged by itself and no step is lost.
    """

    step: float = eqx.field(static=True)
    limit: float | tuple[tuple[str, float], ...] = eqx.field(static=True)
    max_step: float = eqx.field(static=True)

    def __init__(self, step: float = 0.001, limit: float | Mapping[str, float] | None = None, max_step: float = 0.5):
        if not 0 < step <= max_step < math.inf:
            msg = f"SilentRecovery: needs 0 < `step` <= `max_step` < inf; got {step} and {max_step}."
            raise ValueError(msg)
        given = {} if limit is None else limit
        for value in given.values() if isinstance(given, Mapping) else [given]:
            if not 0 <= value <= 1:
                msg = f"SilentRecovery: `limit` must be a share of samples in [0, 1]; got {limit}."
                raise ValueError(msg)
        self.step, self.max_step = float(step), float(max_step)
        # Static fields must be hashable, a dict is not.
        self.limit = tuple(sorted(given.items())) if isinstance(given, Mapping) else float(given)

    def init(self, network: Network) -> RecoveryState:
        """State before the first batch: `step` for every neuron.

        Args:
            network: The network that will be trained.

        Raises:
            ValueError: `limit` names a population that this network has not, or that never spikes.
        """
        names = self._limits(network)
        return RecoveryState({name: jnp.full(network.size(name), self.step, network.dtype) for name in names})

    def __call__(
        self, network: Network, silent: dict[str, Float[Array, " _"]], state: RecoveryState
    ) -> tuple[Network, RecoveryState, Int[Array, ""]]:
        """Help the neurons that were silent too often; to be called after the optimiser's step.

        Args:
            network: The network after the step.
            silent: For each spiking population the share of the batch's samples in which each neuron was
                silent, shape (size,); see `silent_share`.
            state: What `init` or the last call gave.

        Returns:
            The network with raised weights, the next state, and the number of neurons that were helped.

        Raises:
            ValueError: `silent` or `state` does not fit the network, or `limit` names no population of it.

        Example:
            >>> import jax, jax.numpy as jnp, ranvier as rv
            >>> from ranvier.regularizers import SilentRecovery
            >>> weight = rv.initializers.constant(1.0)
            >>> net = rv.feedforward([2, 2], neuron=rv.LIF(), weight=weight, key=jax.random.key(0))
            >>> recovery, silent = SilentRecovery(step=0.5), {"output": jnp.array([0.0, 0.25])}
            >>> net, state, bumped = recovery(net, silent, recovery.init(net))
            >>> net.connections[0].weight.tolist(), int(bumped)
            ([[1.0, 1.5], [1.0, 1.5]], 1)
        """
        limits = self._limits(network)
        _check_fit("silent", silent, limits, network)
        _check_fit("state", state.increment, limits, network)
        need = {name: silent[name] > limit for name, limit in limits.items()}
        bump = {name: jnp.where(need[name], state.increment[name], 0.0) for name in need}
        later = {name: jnp.minimum(2 * increment, self.max_step) for name, increment in state.increment.items()}
        increment = {name: jnp.where(need[name], later[name], self.step) for name in need}
        count = sum((jnp.sum(row, dtype=jnp.int32) for row in need.values()), jnp.zeros((), jnp.int32))
        links = [_raised(link, bump[link.post]) if link.post in bump else link for link in network.connections]
        network = eqx.tree_at(lambda tree: tree.connections, network, tuple(links))
        return network, RecoveryState(increment), count

    def _limits(self, network: Network) -> dict[str, float]:
        """Limit of every population that can spike."""
        spiking = [name for name, neuron in network.neurons.items() if neuron.spiking]
        if not isinstance(self.limit, tuple):
            return dict.fromkeys(spiking, self.limit)
        given, senders = dict(self.limit), {link.pre for link in network.connections}
        unknown = sorted(set(given) - set(spiking))
        if unknown:
            msg = f"SilentRecovery: `limit` must name spiking populations, of {spiking}; got {unknown}."
            raise ValueError(msg)
        return {name: given.get(name, INNER_LIMIT if name in senders else LAST_LIMIT) for name in spiking}


def silent_share(solution: Solution, network: Network) -> dict[str, Float[Array, " _"]]:
    """Share of samples in which each neuron was silent, for every population that can spike.

    Args:
        solution: What `ranvier.simulate` gave, with or without a batch axis.
        network: The network that was simulated.

    Returns:
        {population: shares in [0, 1] of shape (size,)}. They have no gradient.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.regularizers import silent_share
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(0.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([[1.0], [2.0]]), jnp.array([[0], [1]]))
        >>> solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=20.0)
        >>> silent_share(solution, net)["output"].tolist()
        [1.0, 1.0, 1.0]
    """
    shares = {}
    for name, neuron in network.neurons.items():
        if neuron.spiking:
            silent = jnp.atleast_2d(spike_count(solution.spikes[name])) == 0
            shares[name] = jnp.mean(silent, axis=0, dtype=network.dtype)
    return shares


def _raised(link: Connection, bump: Float[Array, " post"]) -> Connection:
    _, each = link.pattern.ends(bump, bump)  # the receiver's, for every synapse
    return eqx.tree_at(lambda one: one.weight, link, link.weight + each.astype(link.weight.dtype))


def _check_fit(
    argument: str, arrays: dict[str, Float[Array, " _"]], wanted: Mapping[str, float], network: Network
) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = {name: (network.size(name),) for name in wanted}
    if shapes != expected:
        msg = (
            f"SilentRecovery: `{argument}` must hold one number per neuron of each spiking population, "
            f"{expected}; got {shapes}. Use silent_share(solution, network) and init(network)."
        )
        raise ValueError(msg)
