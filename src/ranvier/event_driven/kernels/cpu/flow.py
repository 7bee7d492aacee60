"""The closed-form flow between events, and when it meets the threshold.

With u = V - v_leak and s the time since the state (I, u),

    I(s) = I e^{-s/tau_syn}        u(s) = u e^{-s/tau_mem} + I kappa(s)
    kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,    x = s (1/tau_mem - 1/tau_syn)

for every ratio of the time constants, 1 included, without cancellation.
"""

import math
from typing import NamedTuple, no_type_check

from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.lanes import power_of_two

SERIES = 0.1
"""Below this |x|, (e^x - 1)/x is taken from its series: ten terms are then exact to rounding."""

CLOSE = 16.0
"""Time constants are close where the difference of two exponentials is multiplied by this or more."""

TOUCH = 1.0 + 64 * 2.0**-52
"""A maximum up to this many thresholds only touches it, to rounding: no spike, since none has a derivative there."""

NEAR = 1e-6
"""A step of Halley's method this short, in time constants and beside the curve's own scale, is exact to rounding."""


LOG2_E = 1.4426950408889634
HALF_LN2 = 0.34657359027997264
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""ln 2 as a sum; the first part has few digits, so that its multiples are exact."""


class Rates(NamedTuple):
    """Of one neuron, in 1/ms: 1/tau_mem and 1/tau_syn; and mem/(mem - syn), or 0 where these are equal."""

    mem: float
    syn: float
    gain: float


@no_type_check
@uncounted(fastmath={"contract"}, forceinline=True)
def exponential(x: float) -> float:
    """`e^x` to rounding for x up to 700; without the library's call, which costs as much as the rest.

    `x = n ln 2 + r` with |r| <= ln(2)/2, and the Taylor polynomial of e^r.
    """
    if abs(x) <= HALF_LN2:
        return _power(x)
    if not x > -700.0:
        return 0.0 if x <= -700.0 else x
    n = math.floor(x * LOG2_E + 0.5)
    return power_of_two(n) * _power((x - n * LN2_HIGH) - n * LN2_LOW)


@no_type_check
@uncounted(fastmath={"contract"}, forceinline=True)
def _power(r: float) -> float:
    """`e^r` for |r| <= ln(2)/2: the polynomial's terms in pairs, so that its parts run side by side."""
    square = r * r
    fourth = square * square
    low = (1.0 + r) + square * (1 / 2 + r * (1 / 6))
    middle = (1 / 24 + r * (1 / 120)) + square * (1 / 720 + r * (1 / 5040))
    high = (1 / 40320 + r * (1 / 362880)) + square * (1 / 3628800 + r * (1 / 39916800))
    high += fourth * (1 / 479001600 + r * (1 / 6227020800))
    return low + fourth * (middle + fourth * high)


@no_type_check
@uncounted(fastmath={"contract"}, forceinline=True)
def _relative_power(x: float) -> float:
    """`(e^x - 1)/x` for |x| < SERIES, likewise."""
    square = x * x
    low = (1.0 + x * (1 / 2)) + square * (1 / 6 + x * (1 / 24))
    middle = (1 / 120 + x * (1 / 720)) + square * (1 / 5040 + x * (1 / 40320))
    high = 1 / 362880 + x * (1 / 3628800)
    return low + square * square * (middle + square * square * high)


@no_type_check
@uncounted()
def flow(s: float, rates: Rates) -> tuple[float, float, float]:
    """`e^{-s/tau_syn}`, `e^{-s/tau_mem}` and `kappa(s)`."""
    x = s * (rates.mem - rates.syn)
    decay_mem = exponential(-s * rates.mem)
    if abs(x) < SERIES:
        phi = _relative_power(x)
        return decay_mem * (1.0 + x * phi), decay_mem, s * rates.mem * decay_mem * phi
    decay_syn = exponential(-s * rates.syn)
    return decay_syn, decay_mem, rates.gain * (decay_syn - decay_mem)


@no_type_check
@uncounted()
def flow_in_sums(s: float, rates: Rates) -> tuple[float, float, float]:
    """The same with an error in kappa of some roundings of 1, not of kappa: enough in a sum, and without a branch on s.

    Where the time constants are close, it is `flow`.
    """
    if not 0.0 < abs(rates.gain) < CLOSE:
        return flow(s, rates)
    decay_syn, decay_mem = exponential(-s * rates.syn), exponential(-s * rates.mem)
    return decay_syn, decay_mem, rates.gain * (decay_syn - decay_mem)


@no_type_check
@uncounted()
def peak_time(current: float, u: float, rates: Rates) -> float:
    """Time of the only maximum of u(s) for `current > u` and `current > 0`; inf if u rises for ever."""
    drop = (1.0 - u / current) / rates.syn
    z = drop * (rates.syn - rates.mem)
    if z >= 1.0:
        return math.inf
    return drop if z == 0.0 else -drop * math.log1p(-z) / z


@no_type_check
@uncounted()
def leap(current: float, u: float, theta: float, rates: Rates, span: float) -> tuple[float, float, float]:
    """Advance by `span`, or to the first crossing before: its time s in (0, span] (else -1), current and u there.

    u(0) <= theta. A crossing needs a current above theta. Then u has at most one maximum: if u ends below theta while
    it still rises there is none; if it has come down, the maximum decides. One that only touches theta does not count.
    """
    decay_syn, decay_mem, kernel = flow(span, rates)
    current_end, u_end = current * decay_syn, u * decay_mem + current * kernel
    if not current > theta or span <= 0.0:
        return -1.0, current_end, u_end
    high = span
    if u_end < theta * TOUCH:
        if u_end < theta and (current_end >= u_end or u + (current - u) * span * rates.mem < theta):
            return -1.0, current_end, u_end
        peak = peak_time(current, u, rates)
        if peak < math.inf:
            _, decay_mem, kernel = flow(peak, rates)
            if u * decay_mem + current * kernel < theta * TOUCH:
                return -1.0, current_end, u_end
        high = min(span, peak)
    s, current_end = _crossing(current, u, theta, rates, high)
    return s, current_end, theta


@no_type_check
@uncounted()
def _crossing(current: float, u: float, theta: float, rates: Rates, high: float) -> tuple[float, float]:
    """The s in (0, high] with u(s) = theta, u rising and concave up to it, and the current there.

    Halley's method from a quadratic guess, kept in its bracket; Newton's where the curve is too bent for it.
    """
    low, gap, slope = 0.0, theta - u, (current - u) * rates.mem
    bend = (-current * rates.syn - slope) * rates.mem
    under = slope * slope + 2.0 * bend * gap
    s = 2.0 * gap / (slope + math.sqrt(under)) if under > 0.0 else high
    if not low <= s <= high:
        s = 0.5 * high
    for _ in range(100):
        decay_syn, decay_mem, kernel = flow(s, rates)
        here = current * decay_syn
        value = u * decay_mem + current * kernel
        gap, slope = theta - value, (here - value) * rates.mem
        bend = (-here * rates.syn - slope) * rates.mem
        if gap > 0.0:
            low = s
        else:
            high = s
        square, half = slope * slope, 0.5 * gap * bend  # of Newton's step gap/slope, Halley's is 1/(1 + half/square)
        step = gap * slope / (square + half if abs(half) < 0.5 * square else square) if slope > 0.0 else math.inf
        exact = abs(step) * (rates.mem + rates.syn) <= NEAR and abs(half) <= NEAR * square
        if not low <= s + step <= high:
            exact, step = exact and abs(step) <= 1e-15 * high, 0.5 * (low + high) - s
        s += step
        if exact or abs(step) <= 4e-16 * high:
            passed = step * rates.syn
            return s, here * (1.0 - passed + 0.5 * passed * passed)
    return s, current * exponential(-s * rates.syn)


@no_type_check
@uncounted()
def wraps(offset: float, frac: float, window: float) -> int:
    """1 if a spike at `offset` whose delay has the rest `frac` arrives one window later than its shift says.

    The one rule by which deposit, collection and adjoint place an arrival: window `k + shift + wraps(...)`, at
    `offset + frac - window wraps(...)` in it. All three numbers have the dtype of the weights, and `frac` is kept a
    rounding below `window`, so that the sum never reaches two windows.
    """
    return 1 if offset + frac >= window else 0
