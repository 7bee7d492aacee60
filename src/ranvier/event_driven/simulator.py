"""`EventDriven`: continuous time without a step, exact spike times and exact gradients."""

import dataclasses
import math
from functools import partial
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ranvier._concrete import concrete
from ranvier.event_driven.call import Call
from ranvier.event_driven.derivatives import reverse_mode
from ranvier.event_driven.pieces import at_start, ended, with_end, with_past
from ranvier.event_driven.plan import MOST_WINDOWS, SAFE, Plan, longest_window
from ranvier.event_driven.primitive import Result, event_driven
from ranvier.event_driven.rows import Rows, rows
from ranvier.event_driven.summarised import integrals, summarised
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient, ExactDerivative
from ranvier.graph import running_order
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron, linear
from ranvier.simulation import (
    AbstractSimulator,
    Records,
    Solution,
    State,
    Stats,
    argument_status,
    refuse_without_room,
    summaries_of,
    times_of,
)
from ranvier.status import PLACES, first_status
from ranvier.summaries import Summaries


class EventDriven(AbstractSimulator):
    """Exact event-driven simulation of LIF and LI populations, with a gradient by hand-written adjoint.

    By default the gradient is the exact derivative (EventProp with delays); for networks of many spikes
    `gradient=SpikeValue()` is what trains, at the same cost.

    Time is cut into windows. Neurons that cannot reach threshold in a window are advanced by the closed-form flow of
    all that arrives in it; the others event by event, every threshold crossing found to rounding. Results do not
    depend on the window, but for a potential that touches its threshold to rounding (`ranvier.crossing.touch`): there
    the last digit decides whether it fires. Differentiable: weights, delays, v_threshold, v_reset, v_leak, bias,
    tau_mem, tau_syn, refractory times, input spike times, recorded potentials; once, in reverse mode. Time constants
    cost two exponentials for every event, if their gradient is asked for; else nothing.

    In float64 spike times are exact to rounding. In float32 they are mostly within 1e-4 ms, or half a unit in the last
    place of the time where that is more (3e-5 ms at 500 ms, 4e-3 ms at 1e5 ms), and gradients within 1e-3; a spike that
    nearly grazes its threshold may be further off, appear or vanish. Cost: about events + neurons x windows, without
    the windows in which nothing can happen; an absent synapse costs nothing; per-neuron time constants take a slower
    path.

    Limits: time constants and delays are below 1e9 ms. A neuron without leak is one with a large tau_mem and weights
    scaled with it: of an event of weight w, u gains w tau_syn/tau_mem. So `LIF(1e8, tau_syn)` with weights times
    1e8/tau_syn adds weights up, and leaks 1e-8 of u in a ms. A window is at most 8 (float32: 2) times the shortest time
    constant, and t_end at most 2^22 windows.

    Ctrl-C during a call ends it within a window and is a KeyboardInterrupt. A handler of your own decides for itself. A
    call from another thread than the main one, which gets the KeyboardInterrupt, ends with a status that says so.

    Args:
        max_spikes: How many spikes per neuron are kept; a population shares its places. What
            does not fit is counted in `Stats.dropped` and raised.
        min_delay: Smallest lower bound of a delay accepted around a cycle (ms); the window is no longer than the
            smallest such bound, and time goes with its inverse.
        window: Longest window (ms), rounded down to a power of two; default by the density of the input. A matter of
            speed only.
        max_inverse_slope: Guard for spikes that graze the threshold, where dt*/dV = -1/V' diverges: the largest 1/V'
            (ms) used in the gradient, for weights, delays and everything upstream alike. Default none.
            `Stats.guarded` counts the spikes it acts on.
        threads: Number of threads; default all cores. Results do not depend on it.
        gradient: How a spike is differentiated: `ExactDerivative()` or `SpikeValue(...)`.

    Raises:
        ValueError: an argument is out of range; or, when run, a cycle of connections has no sufficient delay.

    References:
        Wunderlich & Pehle, Sci. Rep. 11:12829 (2021); Mészáros, Knight & Nowotny, Nat. Commun. (2025).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> def first(times):
        ...     solution = rv.simulate(net, rv.Spikes(times, jnp.array([0, 1])), rv.EventDriven(), t_end=20.0)
        ...     return solution.spikes["output"].time[0]
        >>> round(float(jax.grad(first)(jnp.array([1.0, 2.0])).sum()), 5)
        1.0
    """

    max_spikes: int = eqx.field(static=True, default=64)
    min_delay: float = eqx.field(static=True, default=0.05)
    window: float | None = eqx.field(static=True, default=None)
    max_inverse_slope: float = eqx.field(static=True, default=math.inf)
    threads: int | None = eqx.field(static=True, default=None)
    gradient: AbstractGradient = eqx.field(static=True, default=ExactDerivative())

    def __check_init__(self):
        limits = {"max_spikes": self.max_spikes, "min_delay": self.min_delay, "window": self.window,
                  "max_inverse_slope": self.max_inverse_slope, "threads": self.threads}  # fmt: skip
        for name, value in limits.items():
            if value is not None and not value > 0:
                msg = f"EventDriven: `{name}` must be above 0; got {value}."
                raise ValueError(msg)

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        _check_windows(network, t_end)
        refuse_without_room("EventDriven", network, spikes, record, max_spikes=self.max_spikes)
        return _run(self, network, spikes, record, None, t_end, False)

    def run_from(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
        start: State | None,
        end: bool,
    ) -> Solution:
        """The same from a state, and to one."""
        _check_windows(network, t_end)
        refuse_without_room("EventDriven", network, spikes, record, max_spikes=self.max_spikes)
        return _run(self, network, spikes, record, start, t_end, end)

    def plan(
        self,
        network: Network,
        links: tuple[Rows, ...],
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
        start: State | None = None,
        end: bool = False,
    ) -> Plan:
        """What is known of a simulation before any number is."""
        old = {name: 0 if start is None else start.time[name].shape[1] for name in network.neurons}
        arrivals = sum(train.time.shape[-1] for train in spikes.values())
        longest = longest_window(network, arrivals, t_end, self.min_delay, self.window)
        order = running_order(network, longest)
        inputs = network.inputs
        places = {name: p for p, name in enumerate([*inputs, *order])}
        parts, asked, times = self.gradient.parts(), summaries_of(record), times_of(record)
        return Plan(
            populations=tuple(places),
            inputs=len(inputs),
            sizes=tuple(network.size(name) for name in places),
            capacities=(
                *(spikes[name].time.shape[-1] for name in inputs),
                *(old[name] + _places(network, name, self.max_spikes) for name in order),
            ),
            mixed=(*(False for _ in inputs), *(_mixed(network, name) for name in order)),
            links=tuple(link.name for link in links),
            pre=tuple(places[link.pre] for link in links),
            post=tuple(places[link.post] for link in links),
            delay_shapes=tuple((1, 1) if link.pairs else (link.delay.shape[0], link.delay.shape[1]) for link in links),
            pairs=tuple(link.weight.shape[0] if link.pairs else -1 for link in links),
            low=tuple(link.low for link in links),
            records=tuple(times[name].shape[-1] if name in times else 0 for name in order),
            peaked=tuple(any(one.decay is None for one in asked.get(name, ())) for name in order),
            near=tuple(parts.near > 0 and network.neurons[name].spiking for name in order),
            decays=tuple(tuple(integrals(asked.get(name, ()))) for name in order),
            dtype=str(jnp.dtype(network.dtype)),
            t_end=t_end,
            longest_window=longest,
            parts=parts._replace(max_inverse_slope=min(parts.max_inverse_slope, self.max_inverse_slope)),
            threads=self.threads,
            given=(*(spikes[name].time.shape[-1] for name in inputs), *(old[name] for name in order)),
            started=start is not None,
            ending=end,
        )


def _places(network: Network, name: str, max_spikes: int) -> int:
    return network.size(name) * max_spikes if network.neurons[name].spiking else 0


@partial(jax.jit, static_argnames=("t_end", "end"))
def _run(
    simulator: EventDriven,
    network: Network,
    spikes: dict[str, Spikes],
    record: Records,
    start: State | None,
    t_end: float,
    end: bool,
) -> Solution:
    """One compiled program for each plan, so that a call costs the same inside the user's `jit` and outside."""
    links = rows(network)
    status = argument_status(network, spikes, t_end, record)
    batch = next(iter(spikes.values())).time.shape[0]
    asked, record = times_of(record), with_end(times_of(record), network, batch, t_end) if end else record
    given = with_past(spikes, start)
    plan = simulator.plan(network, links, given, t_end, record, start, end)
    call = jax.tree.map(reverse_mode, _call(plan, network, links, given, record, status, start))
    result = cast(Result, event_driven(plan, call))
    solution = _solution(plan, network, summaries_of(record), result)
    if not end:
        return solution
    last = {name: voltage[:, -1] for name, voltage in solution.voltages.items()}
    currents = dict(zip(plan.populations[plan.inputs :], result.currents, strict=True))
    none = Spikes(jnp.zeros((batch, 0), plan.dtype), jnp.zeros((batch, 0), jnp.int32))
    trains = dict.fromkeys(network.neurons, none) | spikes | solution.spikes
    since = dict(zip(plan.populations[plan.inputs :], map(jax.lax.stop_gradient, result.since), strict=True))
    state, full = ended(network, links, trains, since, (last, currents), start, t_end)
    voltages = {name: solution.voltages[name][:, :-1] for name in asked}
    stats = dataclasses.replace(solution.stats, status=first_status([(PLACES, full)], solution.stats.status))
    return Solution(solution.spikes, voltages, stats, state)


def _check_windows(network: Network, t_end: float) -> None:
    """Refuse time constants that would take more windows than there may be, where they are known."""
    for name in network.neurons:
        neuron = _linear(network, name)
        for field in ("tau_mem", "tau_syn"):
            known = concrete(getattr(neuron, field))
            if known is None or not np.all(known > 0.0):
                continue
            shortest = float(known.min())
            windows = t_end / (SAFE[str(jnp.dtype(network.dtype))] * shortest)
            if windows > MOST_WINDOWS:
                msg = (
                    f"EventDriven: `{field}` of {name!r} is {shortest:g} ms, and t_end {t_end:g} ms would be "
                    f"{windows:.2g} windows of a few such times; at most {MOST_WINDOWS:,} are simulated. Are all times "
                    "in ms? Take a longer time constant or a shorter t_end."
                )
                raise ValueError(msg)


def _linear(network: Network, name: str) -> AbstractLinearNeuron:
    return linear(network.neurons[name], f"EventDriven: population {name!r}", "Use ClockDriven for any other.")


def _mixed(network: Network, name: str) -> bool:
    neuron = _linear(network, name)
    return any(tau.ndim > 0 for tau in (neuron.tau_mem, neuron.tau_syn))


def _call(
    plan: Plan,
    network: Network,
    links: tuple[Rows, ...],
    spikes: dict[str, Spikes],
    record: Records,
    status: Int[Array, ""],
    start: State | None = None,
) -> Call:
    """The numbers of the call, in the plan's order and in the dtype of the weights."""
    order, inputs = plan.populations[plan.inputs :], plan.populations[: plan.inputs]
    neurons = [_linear(network, name) for name in order]

    def wide(value: Float[Array, "*#size"], name: str) -> Float[Array, " size"]:
        return jnp.broadcast_to(value.astype(plan.dtype), (network.size(name),))

    def relative(value: Float[Array, "*#size"], other: Float[Array, "*#size"], name: str) -> Float[Array, " size"]:
        return wide(value, name) - wide(other, name)

    pairs, times = list(zip(neurons, order, strict=True)), times_of(record)
    began, currents, past, senders = at_start(network, order, next(iter(spikes.values())).time.shape[0], start)
    return Call(
        weights=tuple(link.weight.astype(plan.dtype) for link in links),
        delays=tuple(link.delay.astype(plan.dtype) for link in links),
        theta=tuple(relative(neuron.v_threshold, neuron.rest, name) for neuron, name in pairs),
        rho=tuple(relative(neuron.v_reset, neuron.rest, name) for neuron, name in pairs),
        refractory=tuple(wide(neuron.refractory, name) for neuron, name in pairs),
        tau_mem=tuple(neuron.tau_mem.astype(plan.dtype) for neuron in neurons),
        tau_syn=tuple(neuron.tau_syn.astype(plan.dtype) for neuron in neurons),
        height=tuple(
            jax.lax.stop_gradient(relative(neuron.v_threshold, neuron.v_leak, name)) for neuron, name in pairs
        ),
        pairs=tuple(link.pairs for link in links if link.pairs),
        times=(*(spikes[name].time.astype(plan.dtype) for name in inputs), *past),
        units=(*(spikes[name].unit.astype(jnp.int32) for name in inputs), *senders),
        records=tuple(times[name].astype(plan.dtype) for name in order if name in times),
        start=began,
        current=currents,
        status=(status[None],),
    )


def _solution(plan: Plan, network: Network, asked: dict[str, Summaries], result: Result) -> Solution:
    order = plan.populations[plan.inputs :]
    learns = ("times", "presence", "voltages")
    result = Result(*(part if name in learns else jax.lax.stop_gradient(part) for name, part in
                      zip(Result._fields, result, strict=True)))  # fmt: skip

    def per_population(counts: Int[Array, "batch populations"]) -> dict[str, Int[Array, " batch"]]:
        return {name: counts[:, plan.inputs + p] for p, name in enumerate(order)}

    recorded = [name for name, rows in zip(order, plan.rows, strict=True) if rows]
    voltages = {}
    for name, potential in zip(recorded, result.voltages, strict=True):
        rest = jnp.broadcast_to(_linear(network, name).rest.astype(plan.dtype), (network.size(name),))
        whole = name in asked
        voltages[name] = summarised(asked[name], potential, rest, plan.t_end) if whole else potential + rest[None, None]
    presence = result.presence or (None,) * len(order)
    spikes = {
        name: Spikes(time, unit, network.size(name), presence=present)
        for name, time, unit, present in zip(order, result.times, result.units, presence, strict=True)
        if network.neurons[name].spiking
    }
    stats = Stats(
        status=result.status,
        spikes=per_population(result.spikes),
        dropped=per_population(result.dropped),
        silent=per_population(result.silent),
        in_flight=per_population(result.in_flight),
        guarded=per_population(result.guarded),
        events=result.events,
        exact=result.exact,
    )
    return Solution(spikes, voltages, stats)
