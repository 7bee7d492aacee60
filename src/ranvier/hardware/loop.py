"""Learning in the loop: spike times as a substrate measured them, derivatives as the ideal model has them there.

A neuron that spiked at T, after arrivals at t_i, would in the ideal model satisfy `sum_i w_i kappa(T - t_i) = theta`.
The implicit function theorem gives that equation's derivative, and here it is taken at the measured T and t_i, with
the weights that were written and ideal constants:

    dT = - (sum_i kappa(T - t_i) dw_i - sum_i w_i kappa'(T - t_i) dt_i - dtheta) / V'(T)

A delay element passes on what it is given: its arrival has the measured value and the derivative of `t + d`. Nothing
else is known of the substrate, so the differences between circuits cannot leak into the gradient.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier.closed_form.roots import flow
from ranvier.closed_form.sorting import in_order
from ranvier.dense import dense
from ranvier.events import Spikes, first_spike, spike_count
from ranvier.graph import running_order
from ranvier.hardware.substrate import AbstractSubstrate, Measured
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron, linear
from ranvier.simulation import AbstractNoisySimulator, Records, Solution, Stats, argument_status
from ranvier.status import INPUT_UNIT, NOT_FINITE, first_status


class InTheLoop(AbstractNoisySimulator):
    """A substrate as a simulator: measured spikes, the exact gradient of the ideal model evaluated at them.

    With it `simulate`, losses and `fit` work as with any other simulator; `fit` hands it a fresh key for every batch.
    Weights and delays are learned as real numbers: what is written to the substrate is rounded, and the derivative goes
    straight through the rounding. Derivatives of weights, delays, thresholds, time constants and input times; first
    order. Where a spike is missing, or the ideal potential does not rise at the measured time, they are 0.

    Args:
        substrate: What runs the network, for example `EmulatedChip(BrainScaleS2())`.
        max_inverse_slope: Largest 1/V' (ms) in the gradient of a spike; inf for no limit.
        key: Random key of one run, for substrates whose noise is made.

    Raises:
        ValueError: when run: the network does not fit on the substrate, or potentials are asked for.

    References:
        Cramer et al., PNAS 119 (2022); Göltz et al., "DelGrad", Nat. Commun. 16 (2025).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip, InTheLoop
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> net = rv.feedforward([5, 2], neuron=neuron, weight=rv.initializers.constant(0.8), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.ones(5), jnp.arange(5))
        >>> chip = InTheLoop(EmulatedChip(BrainScaleS2()), key=jax.random.key(1))
        >>> first = lambda net: rv.simulate(net, spikes, chip, t_end=60.0).spikes["output"].time.min()
        >>> bool((jax.grad(first)(net).connections[0].weight <= 0).all())
        True
    """

    substrate: AbstractSubstrate
    max_inverse_slope: float = eqx.field(static=True)
    key: PRNGKeyArray

    def __init__(
        self,
        substrate: AbstractSubstrate,
        *,
        max_inverse_slope: float = math.inf,
        key: PRNGKeyArray | None = None,
    ):
        self.substrate = substrate
        self.max_inverse_slope = float(max_inverse_slope)
        self.key = jax.random.key(0) if key is None else key
        if not self.max_inverse_slope > 0:
            msg = f"InTheLoop: `max_inverse_slope` must be above 0 ms, or inf; got {max_inverse_slope}."
            raise ValueError(msg)

    def with_key(self, key: PRNGKeyArray) -> "InTheLoop":
        """The same with other noise."""
        return InTheLoop(self.substrate, max_inverse_slope=self.max_inverse_slope, key=key)

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Run the network on the substrate from 0 to `t_end` ms for every sample of the batch."""
        if record:
            msg = f"InTheLoop: a chip gives spikes, not potentials; leave out `record` of {', '.join(record)}."
            raise ValueError(msg)
        inputs = {name: first_spike(train).astype(network.dtype) for name, train in spikes.items()}
        before = argument_status(network, spikes, t_end, record)
        known = concrete(before)
        if known is not None and known != 0:
            return _nothing(network, inputs, before)
        settings = self.substrate.written(network)
        constant = lax.stop_gradient((network, inputs))
        measured = lax.stop_gradient(self.substrate.measure(*constant, t_end, key=self.key))
        solution = in_the_loop(settings, inputs, measured, t_end, self.max_inverse_slope)
        again = [jnp.any(spike_count(train) > 1) for name, train in spikes.items()]
        status = first_status([(INPUT_UNIT, twice) for twice in again], before)
        status = jnp.where(status > 0, status, solution.stats.status)
        return eqx.tree_at(lambda tree: tree.stats.status, solution, status)


def _nothing(network: Network, inputs: dict[str, Float[Array, "batch _"]], status: Int[Array, ""]) -> Solution:
    """The solution where nothing was run, since the arguments are refused."""
    batch = next(iter(inputs.values())).shape[0]
    never = {name: jnp.full((batch, network.size(name)), jnp.inf, network.dtype) for name in network.neurons}
    arrival = tuple(jnp.full_like((inputs | never)[link.pre], jnp.inf) for link in network.connections)
    guarded = dict.fromkeys(network.neurons, jnp.zeros(batch, jnp.int32))
    stats = _stats(network, inputs | never, Measured(never, arrival), guarded, 0.0)
    trains = {name: in_order(times) for name, times in never.items()}
    return Solution(trains, {}, eqx.tree_at(lambda one: one.status, stats, status))


def in_the_loop(
    network: Network,
    inputs: dict[str, Float[Array, "batch _"]],
    measured: Measured,
    t_end: float,
    max_inverse_slope: float = math.inf,
) -> Solution:
    """Measured spikes, with the derivatives that the ideal network has at them.

    Args:
        network: The network as written, with ideal constants; differentiate with respect to its leaves.
        inputs: Spike time (ms) of each unit of each input population, `inf` for none; differentiable.
        measured: What the substrate gave; never differentiated.
        t_end: End of the run (ms).
        max_inverse_slope: Largest 1/V' (ms) in the gradient of a spike.

    Returns:
        A `Solution` whose spikes have the measured times to the last bit. `stats.guarded` counts spikes whose slope was
        limited, or whose derivative is 0 because the ideal potential does not rise there.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import Measured, in_the_loop
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> net = rv.feedforward([1, 1], neuron=neuron, weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> inputs = {"input": jnp.array([[1.0]])}
        >>> measured = Measured({"output": jnp.array([[3.25]])}, (inputs["input"],))
        >>> float(in_the_loop(net, inputs, measured, 60.0).spikes["output"].time[0, 0])
        3.25
    """
    first, guarded, links = dict(inputs), {}, dense(network)
    for name in running_order(network, math.inf):
        times, weights = [], []
        for at, link in enumerate(links):
            if link.post == name:
                times.append(_passed_on(measured.arrival[at], first[link.pre], link.delay))
                weights.append(link.weight)
        neuron = linear(network.neurons[name], "InTheLoop", "Use LIF.")
        arrival = jnp.concatenate(times, axis=1)
        spikes = jnp.where(measured.first[name] <= t_end, measured.first[name], jnp.inf)
        first[name], guarded[name] = _spike(neuron, arrival, jnp.concatenate(weights), spikes, max_inverse_slope)
    trains = {name: in_order(first[name]) for name in network.neurons}
    return Solution(trains, {}, _stats(network, first, measured, guarded, t_end))


def _passed_on(
    arrival: Float[Array, "batch pre"], sent: Float[Array, "batch pre"], delay: Float[Array, "#pre #post"]
) -> Float[Array, "batch pre"]:
    """Measured arrivals with the derivative of `sent + delay`."""
    ideal = jnp.where(jnp.isfinite(sent), sent, 0.0) + delay[None, :, 0]
    return jnp.where(jnp.isfinite(arrival), arrival + (ideal - lax.stop_gradient(ideal)), jnp.inf)


def _spike(
    neuron: AbstractLinearNeuron,
    arrival: Float[Array, "batch n"],
    weight: Float[Array, "n size"],
    spikes: Float[Array, "batch size"],
    max_inverse_slope: float,
) -> tuple[Float[Array, "batch size"], Int[Array, " batch"]]:
    """Measured spikes with the derivative of `u(T) = theta`, and how many of them have a limited one."""
    fires = jnp.isfinite(spikes)
    since = jnp.where(fires, spikes, 0.0)[:, None, :] - arrival[:, :, None]
    causal = fires[:, None, :] & (since >= 0.0)
    since = jnp.where(causal, since, 0.0)
    tau_mem, tau_syn = (jnp.broadcast_to(tau, (1, 1, spikes.shape[1])) for tau in (neuron.tau_mem, neuron.tau_syn))
    _, kernel = flow(since, tau_mem, tau_syn)
    each = jnp.where(causal, weight[None], 0.0)
    u = jnp.sum(each * kernel, axis=1)
    current = jnp.sum(each * jnp.exp(-since / tau_syn), axis=1)
    slope = lax.stop_gradient((current - u) / tau_mem[0])
    rises = fires & (slope > 0.0)
    inverse = jnp.where(rises, jnp.minimum(1.0 / jnp.where(rises, slope, 1.0), max_inverse_slope), 0.0)
    u = u - neuron.bias * jnp.exp(-jnp.where(fires, spikes, 0.0) / neuron.tau_mem)
    gap = u - jnp.broadcast_to(neuron.v_threshold - neuron.rest, (1, spikes.shape[1]))
    time = jnp.where(fires, spikes - (gap - lax.stop_gradient(gap)) * inverse, jnp.inf)
    limited = fires & ~(rises & (slope * max_inverse_slope >= 1.0))
    return time, jnp.sum(limited, axis=1, dtype=jnp.int32)


def _stats(
    network: Network,
    first: dict[str, Float[Array, "batch _"]],
    measured: Measured,
    guarded: dict[str, Int[Array, " batch"]],
    t_end: float,
) -> Stats:
    """Counters; a substrate drops nothing that it could tell of."""
    total = lambda mask: jnp.sum(mask, axis=1, dtype=jnp.int32)
    counts = {name: total(jnp.isfinite(first[name])) for name in guarded}
    nothing = jax.tree.map(jnp.zeros_like, counts)
    late, events = dict(nothing), jnp.zeros_like(next(iter(counts.values())))
    for link, arrival in zip(dense(network), measured.arrival, strict=True):
        some = jnp.isfinite(arrival)
        late[link.post] += link.events(some & (arrival > t_end))
        events += link.events(some)
    silent = {name: network.size(name) - count for name, count in counts.items()}
    nan = [(NOT_FINITE, jnp.isnan(times).any()) for times in first.values()]
    return Stats(first_status(nan), counts, nothing, silent, late, guarded, events, jnp.zeros_like(events))
