"""The plain arrays that a kernel works on, in named tuples.

Populations are numbered, inputs first, then neurons in the order in which they run inside a window. Neurons of all
populations are laid end to end (`neuron_start`), and so are the spikes that each may hold (`spike_start`,
`capacity`), the weights of all connections (`weight_start`, row after row) and their delays (`delay_start`; the
entry of synapse (i, j) is `delay_start + i row_stride + j column_stride`).
"""

from typing import NamedTuple, no_type_check

import numpy as np

from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import Rates

SCATTER, ROW, GENERAL = range(3)
"""How a connection is delivered: event by event into a ring of windows, a whole row at once (one delay per sender, or
one for all), or (per-neuron time constants) into the ring with exponentials for every event."""


class Wiring(NamedTuple):
    """Who is joined to whom: integers only, one entry per population or per connection."""

    inputs: int
    size: np.ndarray
    neuron_start: np.ndarray
    sender_start: np.ndarray
    spike_start: np.ndarray
    capacity: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    mode: np.ndarray
    row_stride: np.ndarray
    column_stride: np.ndarray
    weight_start: np.ndarray
    delay_start: np.ndarray
    link_start: np.ndarray
    in_first: np.ndarray
    in_list: np.ndarray
    out_first: np.ndarray
    out_list: np.ndarray
    ringed: np.ndarray
    mixed: np.ndarray


class Synapses(NamedTuple):
    """Weights and delays, flat. A delay is `shift` windows plus `frac` ms.

    `cell` says where in a ring the target's cell is, counted from the emission window's first and on around the ring;
    `decay_syn = e^{frac/tau_syn}`, `kernel = kappa(-frac)`, and (`into_current`, `into_u`) are weight decay_syn and
    weight kernel: the (I, u) of an event, taken back by frac. `shift_t` and `arriving` (pairs of `frac` and weight) are
    transposed copies, (post, pre) per connection, so that what arrives at one neuron is contiguous. `longest`:
    largest shift of each connection.
    """

    weight: np.ndarray
    shift: np.ndarray
    frac: np.ndarray
    cell: np.ndarray
    decay_syn: np.ndarray
    kernel: np.ndarray
    into_current: np.ndarray
    into_u: np.ndarray
    shift_t: np.ndarray
    arriving: np.ndarray
    longest: np.ndarray


class Membranes(NamedTuple):
    """Per neuron, float64: `flow.Rates`, threshold and reset relative to rest, and what one window does to a state.

    Over one window, `decay_mem`, `decay_syn` and `kernel` are those of `flow.flow`, `rise = 1 - decay_mem` and `bend =
    tau_syn/(2 tau_mem)`; see `forward.py`.
    """

    rate_mem: np.ndarray
    rate_syn: np.ndarray
    gain: np.ndarray
    theta: np.ndarray
    rho: np.ndarray
    refractory: np.ndarray
    decay_mem: np.ndarray
    decay_syn: np.ndarray
    kernel: np.ndarray
    rise: np.ndarray
    bend: np.ndarray


class Clock(NamedTuple):
    """Windows: their length, their number, how much of the last one counts, and the number that a spike can span.

    A ring has room for `span` windows: the next takes the place of the one that has passed.
    """

    window: float
    windows: int
    last: float
    span: int
    margin: float


class Inputs(NamedTuple):
    """Input spikes as they are given, all populations side by side: times (ms) and neurons, (batch, places)."""

    time: np.ndarray
    unit: np.ndarray


class Train(NamedTuple):
    """Spikes of one sample: window and offset, neuron, slope at threshold, slope at the restart; and how many of each
    population."""

    window: np.ndarray
    offset: np.ndarray
    unit: np.ndarray
    slope: np.ndarray
    restart: np.ndarray
    total: np.ndarray


class Trains(NamedTuple):
    """The same of every sample, (batch, places), without the spikes of inputs; `total` counts these, too."""

    window: np.ndarray
    offset: np.ndarray
    unit: np.ndarray
    slope: np.ndarray
    restart: np.ndarray
    total: np.ndarray


class Output(NamedTuple):
    """What a user sees: spike times, neurons and potentials of every sample, and counters per population.

    Places of spikes are those of `Trains`: inputs have none.
    """

    time: np.ndarray
    unit: np.ndarray
    voltage: np.ndarray
    silent: np.ndarray
    guarded: np.ndarray
    dropped: np.ndarray
    in_flight: np.ndarray
    exact: np.ndarray
    broken: np.ndarray


class Record(NamedTuple):
    """Record times as windows and offsets, (batch, times), and where each population's times and values start."""

    window: np.ndarray
    offset: np.ndarray
    time_start: np.ndarray
    value_start: np.ndarray


@no_type_check
@uncounted(inline="always")
def rates_of(membranes: Membranes, n: int) -> Rates:
    """Rates of neuron n."""
    return Rates(membranes.rate_mem[n], membranes.rate_syn[n], membranes.gain[n])
