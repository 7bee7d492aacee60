"""The closed-form flow between events, and when it meets the threshold.

With u = V - v_leak and s the time since the state (I, u),

    I(s) = I e^{-s/tau_syn}        u(s) = u e^{-s/tau_mem} + I kappa(s)
    kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,    x = s (1/tau_mem - 1/tau_syn)

for every ratio of the time constants, 1 included, without cancellation.
"""

import math
from typing import no_type_check

from ranvier.event_driven.kernels.cpu.borrow import uncounted

SERIES = 0.1
"""Below this |x|, (e^x - 1)/x is taken from its series: ten terms are then exact to rounding."""


@no_type_check
@uncounted()
def flow(s: float, tau_mem: float, tau_syn: float) -> tuple[float, float, float]:
    """`e^{-s/tau_syn}`, `e^{-s/tau_mem}` and `kappa(s)`."""
    x = s * (1.0 / tau_mem - 1.0 / tau_syn)
    decay_mem = math.exp(-s / tau_mem)
    if abs(x) < SERIES:
        phi = 1 / 5040 + x * (1 / 40320 + x * (1 / 362880 + x * (1 / 3628800)))
        phi = 1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x * phi)))
        phi = 1.0 + x * (1 / 2 + x * phi)
        return decay_mem * (1.0 + x * phi), decay_mem, s / tau_mem * decay_mem * phi
    decay_syn = math.exp(-s / tau_syn)
    return decay_syn, decay_mem, s / tau_mem * (decay_syn - decay_mem) / x


@no_type_check
@uncounted()
def peak_time(current: float, u: float, tau_mem: float, tau_syn: float) -> float:
    """Time of the only maximum of u(s) for `current > u` and `current > 0`; inf if u rises for ever."""
    rate = 1.0 / tau_syn - 1.0 / tau_mem
    z = (1.0 - u / current) * tau_syn * rate
    if z >= 1.0:
        return math.inf
    stretch = 1.0 if z == 0.0 else -math.log1p(-z) / z
    return tau_syn * (1.0 - u / current) * stretch


@no_type_check
@uncounted()
def first_crossing(current: float, u: float, theta: float, tau_mem: float, tau_syn: float, span: float) -> float:
    """Earliest s in (0, span] with u(s) = theta, or -1; u(0) <= theta.

    A crossing needs a current above theta. Then u has at most one maximum, so the sign at the earlier of that
    maximum and `span` decides, and up to there u rises and is concave: Newton from a quadratic guess, kept in its
    bracket, converges.
    """
    if not current > theta or span <= 0.0:
        return -1.0
    if u + (current - u) * span / tau_mem < theta:
        return -1.0
    high = min(span, peak_time(current, u, tau_mem, tau_syn))
    _, decay_mem, kappa = flow(high, tau_mem, tau_syn)
    if u * decay_mem + current * kappa < theta:
        return -1.0
    low = 0.0
    gap = theta - u
    rise = (current - u) / tau_mem
    bend = (-current / tau_syn - rise) / tau_mem
    under = rise * rise + 2.0 * bend * gap
    s = 2.0 * gap / (rise + math.sqrt(under)) if under > 0.0 else high
    if not low <= s <= high:
        s = 0.5 * high
    for _ in range(100):
        decay_syn, decay_mem, kappa = flow(s, tau_mem, tau_syn)
        value = u * decay_mem + current * kappa
        slope = (current * decay_syn - value) / tau_mem
        if value < theta:
            low = s
        else:
            high = s
        step = s + (theta - value) / slope if slope > 0.0 else 0.5 * (low + high)
        if not low <= step <= high:
            step = 0.5 * (low + high)
        if abs(step - s) <= 4e-16 * span:
            return step
        s = step
    return s


@no_type_check
@uncounted()
def wraps(offset: float, frac: float, window: float) -> int:
    """1 if a spike at `offset` whose delay has the rest `frac` arrives one window later than its shift says.

    The one rule by which deposit, collection and adjoint place an arrival: window `k + shift + wraps(...)`, at
    `offset + frac - window wraps(...)` in it. All three numbers have the dtype of the weights, and `frac` is kept a
    rounding below `window`, so that the sum never reaches two windows.
    """
    return 1 if offset + frac >= window else 0
