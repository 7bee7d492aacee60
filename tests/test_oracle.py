"""The oracle against what nobody here wrote: closed forms, 50-digit arithmetic, and scipy's ODE solver."""

import heapq
import math
import random
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import lambertw

from oracle import OracleConnection, OracleNetwork, OraclePopulation, response, simulate

RATIOS = [0.5, 1.0, 1.001, 2.0, 4.0]
REFRACTORY = [0.0, 1.5, math.inf]
TAU_SYN = 3.0


def single(weight, delay=0.0, *, ratio=2.0, v_threshold=-50.0, v_reset=-70.0, v_leak=-65.0, refractory=0.0):
    """One input unit, one neuron "n" with tau_mem = `ratio` TAU_SYN."""
    neuron = OraclePopulation(1, ratio * TAU_SYN, TAU_SYN, v_threshold, v_reset, v_leak, refractory)
    return OracleNetwork({"in": 1}, {"n": neuron}, [OracleConnection("in", "n", [[weight]], [[delay]])])


def with_input(network, name, weight, delay):
    """The network of `single` with another input unit."""
    joined = [*network.connections, OracleConnection(name, "n", [[weight]], [[delay]])]
    return OracleNetwork(network.inputs | {name: 1}, network.populations, joined)


def times(result, population="n"):
    """Spike times of one population."""
    return [time for time, _ in result.spikes[population]]


# Closed forms of one neuron.


def crossing_after(u, i, theta, ratio):
    """The first s > 0 with u(s) = theta, inf if none: quadratic in e^(-s/tau), or Lambert's W.

    tau_mem = 2 tau_syn: u(s) = u x + i (x - x^2), x = e^(-s/tau_mem).
    tau_syn = 2 tau_mem: u(s) = u y^2 + 2 i (y - y^2), y = e^(-s/tau_syn).
    tau_mem = tau_syn: u(s) = (u + i q) e^(-q), q = s/tau_mem.
    """
    if ratio == 1.0:
        p = -lambertw(-theta / i * math.exp(-u / i))
        return TAU_SYN * (p.real - u / i) if p.imag == 0 else math.inf
    a, b, tau = {2.0: (i, u + i, 2.0 * TAU_SYN), 0.5: (2.0 * i - u, 2.0 * i, TAU_SYN)}[ratio]
    discriminant = b * b - 4.0 * a * theta
    return -tau * math.log((b + math.sqrt(discriminant)) / (2.0 * a)) if discriminant >= 0 else math.inf


@pytest.mark.parametrize("refractory", REFRACTORY)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_a_spike_train_after_one_event_follows_the_closed_form(ratio, refractory):
    """Reset, refractory time, the current that survives them, and non-zero v_leak and v_reset."""
    weight, start, theta, reset = 400.0, 0.7 + 1.3, 15.0, -5.0
    expected, slopes, now, u, i = [], [], start, 0.0, weight
    while (s := crossing_after(u, i, theta, ratio)) < math.inf:
        expected.append(now + s)
        slopes.append((i * math.exp(-s / TAU_SYN) - theta) / (ratio * TAU_SYN))
        now, u, i = now + s + refractory, reset, i * math.exp(-(s + refractory) / TAU_SYN)
        if refractory == math.inf:
            break
    result = simulate(single(weight, 1.3, ratio=ratio, refractory=refractory), {"in": [(0.7, 0)]}, 100.0)
    assert len(expected) == 1 if refractory == math.inf else len(expected) >= 3
    assert times(result) == pytest.approx(expected, rel=1e-13)
    assert result.slopes["n"] == pytest.approx(slopes, rel=1e-12)


@pytest.mark.parametrize("excess", [-1e-12, 1e-12])
def test_a_grazing_maximum_decides_whether_there_is_a_spike(excess):
    """With tau_mem = 2 tau_syn the maximum of k is exactly 1/4."""
    result = simulate(single(4.0 * 15.0 * (1.0 + excess)), {"in": [(0.0, 0)]}, 50.0)
    assert len(result.spikes["n"]) == (excess > 0)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_potential_that_only_rises_to_rest_has_no_maximum(ratio):
    """After a reset far below v_leak the current is gone before the potential is back."""
    result = simulate(single(200.0, ratio=ratio, v_reset=-1e4), {"in": [(0.0, 0)]}, 500.0)
    assert len(result.spikes["n"]) == 1


def response_in_decimal(s: float, tau_mem: float, tau_syn: float) -> Decimal:
    """k(s) as the textbook difference of exponentials, whose cancellation the many digits absorb."""
    s, tau_mem, tau_syn = Decimal(s), Decimal(tau_mem), Decimal(tau_syn)
    if tau_mem == tau_syn:
        return s / tau_mem * (-s / tau_mem).exp()
    return tau_syn / (tau_mem - tau_syn) * ((-s / tau_mem).exp() - (-s / tau_syn).exp())


@pytest.mark.parametrize("s", [1e-9, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("ratio", [0.01, *RATIOS, 1.0 + 1e-7, 1.0 - 1e-7, 1.0 + 1e-15, 100.0])
def test_the_response_keeps_all_digits_at_any_ratio(ratio, s):
    """Fifty digits; the exponent itself is rounded, hence the growth of the tolerance with s."""
    tau_mem = ratio * TAU_SYN
    with localcontext(prec=50):
        expected = response_in_decimal(s, tau_mem, TAU_SYN)
        error = abs(Decimal(response(s, tau_mem, TAU_SYN)) / expected - 1)
    assert error < 1e-15 + 2e-16 * s / max(tau_mem, TAU_SYN)


# A random recurrent network, certified in 50-digit arithmetic: V, by superposition of all arrivals, equals
# the threshold at the spikes and stays below it elsewhere.


def random_network(seed: int, ratio: float, refractory: float) -> tuple[OracleNetwork, dict]:
    """Two inputs, two recurrently joined LIF populations with parameters per neuron, one LI readout."""
    rng = random.Random(seed)

    def connection(pre, post, shape, low, high, shortest):
        weight, delay = (
            [[rng.uniform(*bounds) for _ in range(shape[1])] for _ in range(shape[0])]
            for bounds in ((low, high), (shortest, 4.0))
        )
        return OracleConnection(pre, post, weight, delay)

    taus = [2.0, 3.0, 2.5]
    slow = [ratio * tau for tau in taus]
    first = OraclePopulation(3, slow, taus, [-50.0, -52.0, -49.0], -67.0, -65.0, refractory)
    second = OraclePopulation(2, 4.0 * ratio, 4.0, 1.0, [0.0, 0.25], [0.0, 0.1], refractory)
    readout = OraclePopulation(1, 3.0 * ratio, 3.0, None, 0.0, 0.5, 0.0)
    connections = [
        connection("in", "a", (2, 3), 40.0, 120.0, 0.0),
        connection("a", "a", (3, 3), -50.0, 30.0, 0.5),
        OracleConnection("a", "b", [[7, 9], [3, -3], [6, 8]], [[0.0, 1.0], [0.0, 0.0], [2.5, 0.3]]),
        connection("b", "a", (2, 3), -40.0, 20.0, 0.5),
        connection("a", "out", (3, 1), -1.0, 1.0, 0.0),
        connection("b", "out", (2, 1), -1.0, 1.0, 0.0),
    ]
    inputs = {"in": sorted((rng.uniform(0.0, 16.0), unit) for unit in (0, 1) for _ in range(4))}
    return OracleNetwork({"in": 2}, {"a": first, "b": second, "out": readout}, connections), inputs


def constants_of(network: OracleNetwork, name: str) -> np.ndarray:
    """Parameters of one population as rows tau_mem, tau_syn, v_threshold, v_reset, v_leak, refractory."""
    p = network.populations[name]
    threshold = math.inf if p.v_threshold is None else p.v_threshold
    values = (p.tau_mem, p.tau_syn, threshold, p.v_reset, p.v_leak, p.refractory)
    return np.array([np.broadcast_to(value, (p.size,)) for value in values], dtype=float)


def events_at(network, inputs, result, name, unit):
    """(arrival time, weight) of all events at one neuron, from the spikes alone."""
    return [
        (time + connection.delay[source][unit], connection.weight[source][unit])
        for connection in network.connections
        if connection.post == name
        for time, source in (inputs | result.spikes)[connection.pre]
    ]


def voltage_in_decimal(time: float, constants: np.ndarray, spikes: list[float], events: list) -> Decimal:
    """V at `time`: what is left of the last reset before it, plus one response per event."""
    tau_mem, tau_syn, _, v_reset, v_leak, refractory = (float(x) for x in constants)
    release = max((spike + refractory for spike in spikes if spike < time), default=None)
    if release is not None and time <= release:
        return Decimal(v_reset)
    u = Decimal(0)
    if release is not None:
        since = Decimal(time) - Decimal(release)
        u += (Decimal(v_reset) - Decimal(v_leak)) * (-since / Decimal(tau_mem)).exp()
    for arrival, weight in events:
        if arrival < time:
            start = arrival if release is None else max(arrival, release)
            left = Decimal(weight) * (-(Decimal(start) - Decimal(arrival)) / Decimal(tau_syn)).exp()
            u += left * response_in_decimal(Decimal(time) - Decimal(start), tau_mem, tau_syn)
    return u + Decimal(v_leak)


@pytest.mark.parametrize("refractory", REFRACTORY)
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_random_recurrent_network_is_certified_in_fifty_digits(ratio, refractory):
    """Each spike time is right to 1e-13 relative, no crossing is missed, recorded voltages are right."""
    network, inputs = random_network(1, ratio, refractory)
    grid = [0.5 * k + 0.01 for k in range(60)]
    result = simulate(network, inputs, 30.0, dict.fromkeys(network.populations, grid))
    assert sum(map(len, result.spikes.values())) >= (4 if refractory == math.inf else 12)
    for name, population in network.populations.items():
        for unit in range(population.size):
            constants = constants_of(network, name)[:, unit]
            own = [k for k, (_, source) in enumerate(result.spikes[name]) if source == unit]
            spikes = [result.spikes[name][k][0] for k in own]
            events = events_at(network, inputs, result, name, unit)
            with localcontext(prec=50):
                voltage = [float(voltage_in_decimal(time, constants, spikes, events)) for time in grid]
                for k, time in zip(own, spikes, strict=True):
                    miss = voltage_in_decimal(time, constants, spikes, events) - Decimal(constants[2])
                    assert abs(float(miss) / result.slopes[name][k]) < 1e-13 * max(time, 1.0)
            assert max(voltage) < constants[2]
            recorded = [row[unit] for row in result.voltages[name]]
            assert recorded == pytest.approx(voltage, rel=1e-13, abs=1e-13)


class Integration:
    """The same networks in V, I form through scipy's DOP853, segment by segment between discontinuities."""

    def __init__(self, network: OracleNetwork, inputs: dict, record: list[float]):
        self.network, self.record, self.now = network, sorted(record), 0.0
        self.names = [(name, k) for name, p in network.populations.items() for k in range(p.size)]
        constants = np.concatenate([constants_of(network, name) for name in network.populations], axis=1)
        self.tau_mem, self.tau_syn, self.threshold, self.reset, self.leak, self.refractory = constants
        self.v, self.i = self.leak.copy(), np.zeros(len(self.names))
        self.release = np.full(len(self.names), -math.inf)
        self.pending, self.spikes, self.slopes, self.voltages = [], [], [], []
        for name, spikes in inputs.items():
            for time, unit in spikes:
                self.emit(name, unit, time)

    def emit(self, name, unit, time):
        """Push the events of one spike."""
        for c in self.network.connections:
            if c.pre == name:
                for target, weight in enumerate(c.weight[unit]):
                    event = (time + c.delay[unit][target], self.names.index((c.post, target)), weight)
                    heapq.heappush(self.pending, event)

    def derivative(self, time, state):
        """V' and I'; a held neuron has V' = 0."""
        v, i = np.split(state, 2)
        rise = np.where(self.release > self.now, 0.0, (self.leak - v + i) / self.tau_mem)
        return np.concatenate([rise, -i / self.tau_syn])

    def segment(self, stop):
        """Integrate to `stop` or to the first spike; returns the index of the neuron that spiked, or None."""
        free = np.flatnonzero((self.threshold < math.inf) & (self.release <= self.now))

        def distance(time, state):
            return np.max(state[free] - self.threshold[free], initial=-1.0)

        distance.terminal, distance.direction = True, 1
        state = np.concatenate([self.v, self.i])
        accuracy = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13, "max_step": 0.25}
        solution = solve_ivp(self.derivative, (self.now, stop), state, events=distance, **accuracy)
        assert solution.success
        self.now, state = solution.t[-1], solution.y[:, -1]
        self.v, self.i = np.split(state.copy(), 2)
        return free[np.argmax(state[free] - self.threshold[free])] if solution.status == 1 else None

    def run(self, t_end):
        """Integrate to `t_end`."""
        while self.now < t_end:
            due = self.pending[0][0] if self.pending else math.inf
            releases = self.release[self.release > self.now]
            stop = min([due, t_end, *releases, *self.record[len(self.voltages) :]])
            spiked = self.segment(stop) if stop > self.now else None
            if spiked is not None:
                self.spikes.append((self.now, *self.names[spiked]))
                self.slopes.append(self.derivative(self.now, np.concatenate([self.v, self.i]))[spiked])
                self.v[spiked], self.release[spiked] = self.reset[spiked], self.now + self.refractory[spiked]
                self.emit(*self.names[spiked], self.now)
            while self.pending and self.pending[0][0] <= self.now:
                _, target, weight = heapq.heappop(self.pending)
                self.i[target] += weight
            if len(self.voltages) < len(self.record) and self.record[len(self.voltages)] <= self.now:
                self.voltages.append(self.v.copy())


@pytest.mark.parametrize("refractory", REFRACTORY)
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_random_recurrent_network_agrees_with_an_ode_solver(ratio, refractory):
    """Spike times, order, slopes, voltages of all populations, and the number of events in flight."""
    network, inputs = random_network(2, ratio, refractory)
    grid, t_end = [3.0, 7.5, 11.0, 15.0, 19.5], 20.0
    reference = Integration(network, inputs, grid)
    reference.run(t_end)
    result = simulate(network, inputs, t_end, dict.fromkeys(network.populations, grid))
    spikes = sorted(
        (time, name, unit, slope)
        for name in network.populations
        for (time, unit), slope in zip(result.spikes[name], result.slopes[name], strict=True)
    )
    assert len(spikes) >= (4 if refractory == math.inf else 8)
    assert [spike[1:3] for spike in spikes] == [spike[1:] for spike in reference.spikes]
    assert [spike[0] for spike in spikes] == pytest.approx([spike[0] for spike in reference.spikes], abs=1e-9)
    assert [spike[3] for spike in spikes] == pytest.approx(reference.slopes, rel=1e-8)
    voltages = np.concatenate([result.voltages[name] for name in network.populations], axis=1)
    assert np.max(np.abs(voltages - reference.voltages)) < 1e-8
    assert sum(result.in_flight.values()) == len(reference.pending)


# Rules at the edges.


def first_spike(network):
    """When "n" first spikes after an input spike at 1 ms."""
    return times(simulate(network, {"in": [(1.0, 0)]}, 40.0))[0]


def test_a_crossing_comes_before_a_coincident_arrival():
    """Inhibition at the very float of the crossing is too late; just before, it is not."""
    crossing = first_spike(single(100.0))
    for arrival, expected in ((crossing, [crossing]), (crossing - 1e-9, [])):
        network = with_input(single(100.0), "stop", -1e6, arrival)
        result = simulate(network, {"in": [(1.0, 0)], "stop": [(0.0, 0)]}, 40.0)
        assert times(result) == expected


def test_an_arrival_just_before_the_crossing_does_not_lose_the_spike():
    """An event of weight zero changes nothing, wherever rounding puts the potential when it arrives."""
    for weight in (70.0, 83.0, 100.0, 171.0, 400.0, 9e5):
        network = single(weight, refractory=math.inf)
        time = crossing = first_spike(network)
        for _ in range(5):
            time = math.nextafter(time, 0.0)
            touched = with_input(network, "touch", 0.0, 0.0)
            result = simulate(touched, {"in": [(1.0, 0)], "touch": [(time, 0)]}, 40.0)
            assert times(result) == [pytest.approx(crossing, rel=1e-15)]


def test_the_ends_of_the_simulation_are_included():
    """A spike, a record and an arrival at t_end count; the spike's voltage is the one after reset."""
    network = single(100.0)
    crossing = first_spike(network)
    for name, delay in (("now", 0.0), ("soon", 1e-9), ("later", 5.0)):
        network = with_input(network, name, 1.0, delay)
    inputs = {"in": [(1.0, 0)]} | {name: [(crossing, 0)] for name in ("now", "soon", "later")}
    result = simulate(network, inputs, crossing, {"n": [crossing, 0.0]})
    assert result.spikes["n"] == [(crossing, 0)]
    assert result.voltages["n"] == [[-70.0], [-65.0]]
    assert result.arrivals["n"] == [(1.0, 0), (crossing, 0)]
    assert result.in_flight == {"n": 2}


@pytest.mark.parametrize("lag", [0.0, 0.4, 1.5, 1.7])
def test_the_current_of_a_refractory_neuron_is_not_lost(lag):
    """An event during, at the end of, and after the refractory time; the second crossing in closed form."""
    first = first_spike(single(100.0))
    network = single(100.0, refractory=1.5)
    arrival, release = first + lag, first + 1.5
    record = {"n": [0.5 * (first + release), release]}
    result = simulate(network, {"in": [(1.0, 0), (arrival, 0)]}, 60.0, record)
    assert result.voltages["n"] == [[-70.0], [-70.0]]
    start = max(arrival, release)
    i = 100.0 * (math.exp(-(start - 1.0) / TAU_SYN) + math.exp(-(start - arrival) / TAU_SYN))
    x = math.exp(-(start - release) / (2.0 * TAU_SYN))
    u = -5.0 * x + 100.0 * math.exp(-(release - 1.0) / TAU_SYN) * (x - x * x)
    assert times(result)[1] == pytest.approx(start + crossing_after(u, i, 15.0, 2.0), rel=1e-13)


def test_zero_delays_chain_without_loss_of_time():
    """Input, a and b in one instant chain; both crossings in closed form."""
    neuron = OraclePopulation(1, 6.0, 3.0, 1.0, 0.0, 0.0, math.inf)
    joined = [OracleConnection(pre, post, [[9.0]], [[0.0]]) for pre, post in (("in", "a"), ("a", "b"))]
    network = OracleNetwork({"in": 1}, {"a": neuron, "b": neuron}, joined)
    result = simulate(network, {"in": [(0.0, 0)]}, 20.0)
    rise = crossing_after(0.0, 9.0, 1.0, 2.0)
    assert times(result, "a") == pytest.approx([rise], rel=1e-14)
    assert times(result, "b") == pytest.approx([2.0 * rise], rel=1e-14)
    assert result.arrivals == {"a": [(0.0, 0)], "b": result.spikes["a"]}


def test_arrivals_are_spikes_plus_delays():
    network, inputs = random_network(3, 2.0, 0.0)
    result = simulate(network, inputs, 20.0)
    for name, population in network.populations.items():
        units = range(population.size)
        events = sorted((t, k) for k in units for t, _ in events_at(network, inputs, result, name, k))
        assert result.arrivals[name] == [event for event in events if event[0] <= 20.0]
        assert result.in_flight[name] == sum(time > 20.0 for time, _ in events)
    assert sum(result.in_flight.values()) > 0


def test_a_network_that_runs_away_is_stopped(monkeypatch):
    monkeypatch.setattr("oracle.MAX_EVENTS", 1000)
    network, inputs = random_network(10, 1.0, 0.0)
    with pytest.raises(RuntimeError, match="run away"):
        simulate(network, inputs, 30.0)


def looped(pre, weight, delay):
    """The neuron of `single` with a connection from `pre` to itself instead of the input."""
    return OracleNetwork({}, single(1.0).populations, [OracleConnection(pre, "n", weight, delay)])


@pytest.mark.parametrize(
    ("network", "inputs", "t_end", "complaint"),
    [
        (single(1.0, v_reset=-50.0), {}, 1.0, "v_reset"),
        (single(1.0, v_leak=-50.0), {}, 1.0, "v_leak"),
        (single(1.0, ratio=0.0), {}, 1.0, "tau_mem"),
        (single(1.0, refractory=-1.0), {}, 1.0, "refractory"),
        (single(1.0, refractory=[1.0, 2.0]), {}, 1.0, "one number or 1, got 2"),
        (single(1.0, -1.0), {}, 1.0, "delays"),
        (single(math.nan), {}, 1.0, "finite"),
        (single(1.0), {"in": [(2.0, 0)]}, 1.0, "times"),
        (single(1.0), {"in": [(0.5, 1)]}, 1.0, "no unit 1"),
        (single(1.0), {"out": []}, 1.0, "no input population out"),
        (single(1.0), {}, math.inf, "t_end"),
        (looped("n", [[1.0]], [[0.0]]), {}, 1.0, "cycle"),
        (looped("n", [[1.0, 2.0]], [[1.0]]), {}, 1.0, r"\[1\]\[1\]"),
        (looped("m", [[1.0]], [[1.0]]), {}, 1.0, "no such population"),
    ],
)
def test_nonsense_is_refused(network, inputs, t_end, complaint):
    with pytest.raises(ValueError, match=complaint):
        simulate(network, inputs, t_end)
