"""A slow, plain, event-by-event simulator: the independent oracle of the tests.

It shares no code with `ranvier` and uses Python floats, `heapq` and bisection only. Times are in ms.

A neuron with potential V = v_leak + u, a constant bias and synaptic current I follows

    tau_mem u' = -u + bias + I,    tau_syn I' = -I,    u(0) = I(0) = 0,

and an event of weight w makes I += w when it arrives. Both equations are linear: s ms after a known state

    I(s) = I e^(-s/tau_syn),    u(s) = bias + (u - bias) e^(-s/tau_mem) + I k(s),
    k(s) = (1/tau_mem) integral_0^s e^(-x/tau_syn) e^(-(s-x)/tau_mem) dx.

When V reaches v_threshold from below, at t*, the neuron spikes and V is set to v_reset. V is held there
during (t*, t* + refractory], while I goes on to decay and to receive events; an infinite refractory time
allows one spike. A spike of neuron i arrives at neuron j, over each connection, at t* + delay[i][j]. Both
v_leak and v_reset must lie below v_threshold. A population without threshold (`v_threshold=None`) is a leaky
integrator: it never spikes, and its `v_reset` and `refractory` are not read.

In the code u - bias is called u, so that it relaxes to 0, and thresholds and resets are relative to that. Between
events (I - u) e^(s/tau_mem) is monotone, hence u has at most one maximum, and the crossing of a threshold above 0, if
there is one, lies on the rising branch before it. The maximum has a closed form; bisection then narrows the crossing
down to two neighbouring floats. A threshold below 0 is crossed in any case, and once: u falls at most once before. Crossings and arrivals are processed one by one in order of time.
Coincidences: a crossing comes before an arrival, the end of a refractory period before an arrival, a record
after everything else.
"""

import graphlib
import heapq
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field

NEVER = math.inf
TOUCH = 1 + 64 * 2.0**-52  # a peak up to this many thresholds only touches, to rounding
MAX_EVENTS = 1_000_000  # the model itself has no bound: net excitation without refractory time runs away

PerNeuron = float | Sequence[float]
Matrix = Sequence[Sequence[float]]
SpikeList = list[tuple[float, int]]


@dataclass(frozen=True)
class OraclePopulation:
    """Neurons of one kind; a parameter is one number for all of them or a sequence with one number each."""

    size: int
    tau_mem: PerNeuron
    tau_syn: PerNeuron
    v_threshold: PerNeuron | None
    v_reset: PerNeuron
    v_leak: PerNeuron
    refractory: PerNeuron
    bias: PerNeuron = 0.0


@dataclass(frozen=True)
class OracleConnection:
    """Weights and delays (ms), both indexed [pre][post], from population `pre` to population `post`."""

    pre: str
    post: str
    weight: Matrix
    delay: Matrix


@dataclass(frozen=True)
class OracleNetwork:
    """Input populations (name to size), neuron populations, and the connections that join them."""

    inputs: dict[str, int]
    populations: dict[str, OraclePopulation]
    connections: list[OracleConnection]


@dataclass(frozen=True)
class OracleResult:
    """What happened in [0, t_end].

    Attributes:
        spikes: emitted (time, unit) of each neuron population, sorted.
        voltages: V, not u, of each recorded population, indexed [record time][neuron]; the value after the
            reset where a record time coincides with a spike.
        in_flight: for each neuron population, how many events were due after t_end.
        slopes: dV/dt just before each spike, in the order of `spikes`.
        arrivals: (time, post unit) of each event delivered to each neuron population, sorted.
    """

    spikes: dict[str, SpikeList]
    voltages: dict[str, list[list[float]]]
    in_flight: dict[str, int]
    slopes: dict[str, list[float]]
    arrivals: dict[str, SpikeList]


def response(s: float, tau_mem: float, tau_syn: float) -> float:
    """The potential k(s) that a unit current leaves behind after s >= 0 ms.

    k(s) = (s / tau_mem) e^(-s / max(tau_mem, tau_syn)) (1 - e^(-z)) / z,  z = |1/tau_syn - 1/tau_mem| s: no
    difference of nearly equal exponentials, whatever the two time constants.
    """
    z = abs(tau_mem - tau_syn) / (tau_mem * tau_syn) * s
    mean_decay = -math.expm1(-z) / z if z > 0 else 1.0
    return s / tau_mem * math.exp(-s / max(tau_mem, tau_syn)) * mean_decay


def time_to_peak(u: float, i: float, tau_mem: float, tau_syn: float) -> float:
    """When the potential is largest if it starts at u and first rises to a positive maximum; else NEVER.

    u' vanishes where i (1 - e^(-d s)) / d = tau_syn (i - u), with d = 1/tau_syn - 1/tau_mem.
    """
    if i <= max(u, 0.0):
        return NEVER
    area = tau_syn * (i - u) / i
    d = (tau_mem - tau_syn) / (tau_mem * tau_syn)
    if d == 0.0:
        return area
    if d * area >= 1.0:
        return NEVER
    return -math.log1p(-d * area) / d


@dataclass
class _Neuron:
    """One neuron: its constants, and its state (u, i) at `time`: at the coming release while u is held."""

    population: str
    unit: int
    tau_mem: float
    tau_syn: float
    rest: float  # v_leak + bias
    threshold: float  # of u, as is `reset`; inf for a leaky integrator
    reset: float
    refractory: float
    time: float = 0.0
    u: float = 0.0
    i: float = 0.0
    crossing: float = NEVER

    def potential(self, time: float) -> float:
        """The potential u at `time`, if nothing arrives before."""
        s = max(time - self.time, 0.0)
        return self.u * math.exp(-s / self.tau_mem) + self.i * response(s, self.tau_mem, self.tau_syn)

    def receive(self, time: float, weight: float) -> None:
        """Add `weight` to the current at `time`; a held neuron keeps what is left of it at its release."""
        if time > self.time:
            i = self.i * math.exp(-(time - self.time) / self.tau_syn)
            self.time, self.u, self.i = time, self.potential(time), i
        self.i += weight * math.exp(-(self.time - time) / self.tau_syn)
        self.crossing = self.next_crossing()

    def fire(self) -> float:
        """Reset at the crossing and hold until the release; returns dV/dt just before the spike."""
        i = self.i * math.exp(-(self.crossing - self.time) / self.tau_syn)
        slope = (i - self.threshold) / self.tau_mem
        self.time = self.crossing + self.refractory
        self.u = self.reset
        self.i = i * math.exp(-self.refractory / self.tau_syn)
        self.crossing = self.next_crossing()
        return slope

    def next_crossing(self) -> float:
        """The first float at which the potential has reached the threshold, if nothing arrives before."""
        below = self.time
        if self.threshold < 0 and self.time < NEVER:
            reached, step = self.time, 1e-3 * self.tau_mem
            while self.potential(reached) < self.threshold:
                reached, step = reached + step, 2 * step
                if reached > 1e6:
                    return NEVER
            return self.between(below, reached)
        reached = self.time + time_to_peak(self.u, self.i, self.tau_mem, self.tau_syn)
        if reached == NEVER or self.potential(reached) < self.threshold * TOUCH:
            return NEVER  # a peak that only touches the threshold is no spike
        return self.between(below, reached)

    def between(self, below: float, reached: float) -> float:
        """The crossing between two times, narrowed down by bisection."""
        while below < (middle := 0.5 * (below + reached)) < reached:
            if self.potential(middle) < self.threshold:
                below = middle
            else:
                reached = middle
        return reached


@dataclass
class _Run:
    """One simulation under way: neurons, events on their way, records to come, and the results so far."""

    network: OracleNetwork
    neurons: dict[str, list[_Neuron]]
    records: list[tuple[float, str, int]]  # (time, population, row), latest first
    voltages: dict[str, list[list[float]]]
    pending: list[tuple[float, int, str, int, float]] = field(default_factory=list)  # a heap
    pushed: int = 0
    spikes: list[tuple[float, int, float, str]] = field(default_factory=list)
    arrivals: list[tuple[float, int, str]] = field(default_factory=list)

    def emit(self, population: str, time: float, unit: int) -> None:
        """Push the events that a spike causes; `pushed` keeps coincident ones in order of emission."""
        for connection in self.network.connections:
            if connection.pre == population:
                for target, weight in enumerate(connection.weight[unit]):
                    due = time + float(connection.delay[unit][target])
                    heapq.heappush(self.pending, (due, self.pushed, connection.post, target, float(weight)))
                    self.pushed += 1
        if self.pushed > MAX_EVENTS:
            message = f"more than {MAX_EVENTS} events at {time} ms: does the network run away?"
            raise RuntimeError(message)

    def fire(self, neuron: _Neuron) -> None:
        """Let `neuron` spike at its crossing."""
        time = neuron.crossing
        self.spikes.append((time, neuron.unit, neuron.fire(), neuron.population))
        self.emit(neuron.population, time, neuron.unit)

    def deliver(self) -> None:
        """Deliver the earliest event."""
        time, _, population, target, weight = heapq.heappop(self.pending)
        self.neurons[population][target].receive(time, weight)
        self.arrivals.append((time, target, population))

    def record_before(self, time: float) -> None:
        """Take the voltages of all records that lie before `time`."""
        while self.records and self.records[-1][0] < time:
            now, name, row = self.records.pop()
            self.voltages[name][row] = [neuron.rest + neuron.potential(now) for neuron in self.neurons[name]]

    def result(self) -> OracleResult:
        """Sort the results by population."""
        names = list(self.network.populations)
        spikes = sorted(self.spikes)
        arrivals = sorted(self.arrivals)
        return OracleResult(
            spikes={name: [(time, unit) for time, unit, _, at in spikes if at == name] for name in names},
            voltages=self.voltages,
            in_flight={name: sum(event[2] == name for event in self.pending) for name in names},
            slopes={name: [slope for _, _, slope, at in spikes if at == name] for name in names},
            arrivals={name: [(time, unit) for time, unit, at in arrivals if at == name] for name in names},
        )


def simulate(
    network: OracleNetwork,
    inputs: dict[str, SpikeList],
    t_end: float,
    record: dict[str, list[float]] | None = None,
) -> OracleResult:
    """Simulate `network` over [0, t_end], both ends included.

    Args:
        network: populations and connections.
        inputs: the (time, unit) of every spike of each input population, in any order.
        t_end: the end, in ms.
        record: for each neuron population whose voltages are wanted, the times in ms, in any order.

    Returns:
        Spikes, slopes at the spikes, delivered events, events still in flight, and recorded voltages.
    """
    record = record or {}
    _check_network(network)
    _check_inputs(network, inputs, t_end, record)
    records = [(time, name, row) for name, times in record.items() for row, time in enumerate(times)]
    run = _Run(
        network=network,
        neurons={name: _neurons(name, population) for name, population in network.populations.items()},
        records=sorted(records, reverse=True),
        voltages={name: [[] for _ in times] for name, times in record.items()},
    )
    for name, spikes in inputs.items():
        for time, unit in spikes:
            run.emit(name, float(time), unit)
    everyone = [neuron for neurons in run.neurons.values() for neuron in neurons]
    while True:
        first = min(everyone, key=lambda neuron: neuron.crossing)
        arrival = run.pending[0][0] if run.pending else NEVER
        now = min(first.crossing, arrival)
        if now > t_end:
            break
        run.record_before(now)
        if first.crossing <= arrival:
            run.fire(first)
        else:
            run.deliver()
    run.record_before(NEVER)
    return run.result()


def _per_neuron(value: PerNeuron, size: int) -> list[float]:
    """One float per neuron from a scalar or a sequence."""
    values = [float(value)] * size if isinstance(value, numbers.Real) else [float(x) for x in value]
    _require(len(values) == size, f"expected one number or {size}, got {len(values)}")
    return values


def _neurons(name: str, population: OraclePopulation) -> list[_Neuron]:
    """The neurons of one population, at v_leak."""
    size = population.size
    tau_mem, tau_syn, leak, bias = (
        _per_neuron(value, size)
        for value in (population.tau_mem, population.tau_syn, population.v_leak, population.bias)
    )
    threshold, reset, refractory = [NEVER] * size, leak, [0.0] * size
    if population.v_threshold is not None:
        threshold, reset, refractory = (
            _per_neuron(value, size) for value in (population.v_threshold, population.v_reset, population.refractory)
        )
    neurons = [
        _Neuron(
            population=name,
            unit=unit,
            tau_mem=tau_mem[unit],
            tau_syn=tau_syn[unit],
            rest=leak[unit] + bias[unit],
            threshold=threshold[unit] - leak[unit] - bias[unit],
            reset=reset[unit] - leak[unit] - bias[unit],
            refractory=refractory[unit],
            u=-bias[unit],
        )
        for unit in range(size)
    ]
    for neuron in neurons:
        neuron.crossing = neuron.next_crossing()
    return neurons


def _require(holds: bool, message: str) -> None:
    """Raise a `ValueError` unless `holds`."""
    if not holds:
        raise ValueError(message)


def _check_network(network: OracleNetwork) -> None:
    """Reject what has no meaning: bad parameters, then bad connections."""
    _require(len(network.populations) > 0, "populations: expected at least one")
    _require(not network.inputs.keys() & network.populations.keys(), "inputs and populations share a name")
    for name, population in network.populations.items():
        for neuron in _neurons(name, population):
            at = f"{name}, neuron {neuron.unit}"
            _require(0 < neuron.tau_mem < math.inf, f"{at}: tau_mem must be positive, got {neuron.tau_mem}")
            _require(0 < neuron.tau_syn < math.inf, f"{at}: tau_syn must be positive, got {neuron.tau_syn}")
            _require(math.isfinite(neuron.rest), f"{at}: v_leak and bias must be finite, got {neuron.rest}")
            _require(math.isfinite(neuron.reset), f"{at}: v_reset must be finite")
            _require(neuron.threshold > neuron.reset, f"{at}: v_threshold must exceed v_reset")
            _require(neuron.threshold > neuron.u, f"{at}: v_threshold must exceed v_leak")
            _require(neuron.refractory >= 0, f"{at}: refractory must be >= 0, got {neuron.refractory}")
    _check_connections(network)


def _check_connections(network: OracleNetwork) -> None:
    """Reject unknown names, wrong shapes, bad weights or delays, and cycles of zero delay."""
    sizes = network.inputs | {name: population.size for name, population in network.populations.items()}
    immediate = graphlib.TopologicalSorter()
    for connection in network.connections:
        pre, post = connection.pre, connection.post
        at = f"connection {pre} -> {post}"
        _require(pre in sizes and post in network.populations, f"{at}: no such population")
        for matrix in (connection.weight, connection.delay):
            shape = [len(row) for row in matrix]
            _require(shape == [sizes[post]] * sizes[pre], f"{at}: expected [{sizes[pre]}][{sizes[post]}]")
            _require(all(math.isfinite(x) for row in matrix for x in row), f"{at}: expected finite numbers")
        for source, row in enumerate(connection.delay):
            _require(all(delay >= 0 for delay in row), f"{at}: delays must be >= 0")
            for target in (target for target, delay in enumerate(row) if delay == 0):
                immediate.add((post, target), (pre, source))
    immediate.prepare()  # raises graphlib.CycleError, a ValueError, on a cycle of zero delays


def _check_inputs(
    network: OracleNetwork, inputs: dict[str, SpikeList], t_end: float, record: dict[str, list[float]]
) -> None:
    """Reject unknown names, units that do not exist, and times outside [0, t_end]."""
    _require(0 <= t_end < math.inf, f"t_end: expected a finite time >= 0, got {t_end}")
    for name, spikes in inputs.items():
        _require(name in network.inputs, f"inputs: no input population {name}")
        for time, unit in spikes:
            _require(0 <= unit < network.inputs[name], f"inputs {name}: no unit {unit}")
            _require(0 <= time <= t_end, f"inputs {name}: expected times in [0, {t_end}], got {time}")
    for name, times in record.items():
        _require(name in network.populations, f"record: no population {name}")
        for time in times:
            _require(0 <= time <= t_end, f"record {name}: expected times in [0, {t_end}], got {time}")
