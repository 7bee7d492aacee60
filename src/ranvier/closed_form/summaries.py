"""Summaries of potentials over a whole simulation, from all prefixes of the arrivals (see `prefixes`).

Between two arrivals u has at most one maximum; its instant is not differentiated, for u' = 0 there. Where u is highest
at an arrival, the instant is that of the arrival and JAX carries its derivative. An integral is a sum over arrivals:
with L what is left until the end, p = 1/tau_mem + c and q = 1/tau_syn + c,

    integral of e^{-ct} u = sum w e^{-c(t_end - L)} H(L)        H = ((1 - e^{-qL})/(q tau_mem) - e^{-cL} kappa(L))/p
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ranvier.closed_form.prefixes import Arrivals, Cells, prefixes
from ranvier.closed_form.roots import flow
from ranvier.summaries import Summaries


def summaries_of_u(
    asked: Summaries, due: Arrivals | None, cells: Cells, t_end: Float[ArrayLike, ""], shape: tuple[int, int]
) -> Float[Array, "summaries post batch"]:
    """Maxima and integrals of u of a population, for `ranvier.summaries.above_rest`.

    Args:
        asked: Which.
        due: All arrivals, in any order; None where nobody sends.
        cells: The neurons.
        t_end: End of the simulation (ms).
        shape: Neurons and samples.
    """
    if due is None:
        none = jnp.full((1, *shape), jnp.inf, cells.mem.dtype)
        due = Arrivals(none, jnp.zeros_like(none))
    one = lambda decay: _highest(due, cells, t_end) if decay is None else _integral(due, cells, t_end, decay)
    return jnp.stack([one(summary.decay) for summary in asked])


def _highest(due: Arrivals, cells: Cells, t_end: Float[ArrayLike, ""]) -> Float[Array, "post batch"]:
    """The highest u in [0, t_end]; before the first arrival it goes from its start towards rest."""
    found = prefixes(due, cells)
    last = t_end - found.time
    there = (found.span >= 0.0) & (last >= 0.0)
    span = jnp.where(there, jnp.minimum(found.span, last), 0.0)
    start = found.current, found.u
    top = lax.stop_gradient(_peak(*start, jnp.broadcast_to(span, found.u.shape), cells))
    after = lambda s: _after(*start, s, cells)
    wide = lambda part: jnp.broadcast_to(part, found.u[:1].shape)
    until = jnp.minimum(jnp.min(jnp.where(due.time <= t_end, due.time, t_end), axis=0, keepdims=True), t_end)
    alone = wide(cells.start), wide(cells.start * jnp.exp(-until / cells.mem))
    within = (jnp.where(there, after(at), -jnp.inf) for at in (span, top))
    candidates = jnp.concatenate([*alone, *within])
    first = jnp.argmax(lax.stop_gradient(candidates), axis=0, keepdims=True)
    return jnp.take_along_axis(candidates, first, axis=0)[0]


def _after(
    current: Float[Array, "n post batch"], u: Float[Array, "n post batch"], s: Float[Array, "n ..."], cells: Cells
) -> Float[Array, "n post batch"]:
    decay, kernel = flow(s, cells.mem, cells.syn)
    return u * decay + current * kernel


def _peak(
    current: Float[Array, "n post batch"],
    u: Float[Array, "n post batch"],
    span: Float[Array, "n post batch"],
    cells: Cells,
) -> Float[Array, "n post batch"]:
    """When u is highest before the next arrival, 0 where it has no maximum in between."""
    rises = (current > u) & (current > 0.0)
    drop = jnp.where(rises, 1.0 - u / jnp.where(rises, current, 1.0), 0.0) * cells.syn
    z = drop * (1.0 / cells.syn - 1.0 / cells.mem)
    plain = (jnp.abs(z) < 1e-12) | (z >= 1.0)
    safe = jnp.where(plain, 0.5, z)
    time = jnp.where(plain, drop, -drop * jnp.log1p(-safe) / safe)
    return jnp.where(rises & (z < 1.0) & (time < span), time, 0.0)


def _integral(due: Arrivals, cells: Cells, t_end: Float[ArrayLike, ""], decay: float) -> Float[Array, "post batch"]:
    """The integral of `e^{-decay t} u`."""
    there = due.time <= t_end
    time = jnp.where(there, due.time, t_end)
    left = jnp.asarray(t_end - time)
    p, q = 1.0 / cells.mem + decay, 1.0 / cells.syn + decay
    whole = -jnp.expm1(-q * left) / q
    waiting = (whole / cells.mem - jnp.exp(-decay * left) * flow(left, cells.mem, cells.syn)[1]) / p
    begun = cells.start * -jnp.expm1(-p * t_end) / p
    return jnp.sum(jnp.where(there, due.weight * jnp.exp(-decay * time) * waiting, 0.0), axis=0) + begun[0]
