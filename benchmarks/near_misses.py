"""Do near misses train neurons that are silent? Each rule for the gradient of a spike, on a grid, from two starts.

    python benchmarks/near_misses.py [--epochs 10] [--starts 1,0.2]

The tasks `order` and `reversals` of `ranvier study gradients`, without delays: 16 inputs, 30 recurrent LIF neurons (20
and 5 ms), a mean potential as readout, steps of 1 ms. Forward all rules are the same. Backward each neuron has at each
instant dS = k du, S its spikes there:

    value           k = 1 at its spikes, which is `SpikeValue()`
    near misses     and e^{(u_max - 1)/D} at every maximum of the potential below the threshold 1, D = 0.3
    near of silent  the same, but only of neurons that do not fire in this sample
    highest         the same, but only at the highest of them, which is `SpikeValue(near=0.3)`
    recovery        k as in `value`; weights onto neurons that are silent in more than 30 % of a batch are raised, by a
                    step that doubles, which is `SilentRecovery`
    margin          k as in `value`, and a cost (1 - max u)^2 of every neuron that does not fire in a sample

The second start has weights onto hidden neurons five times too small: nearly all of them are silent. Three seeds each,
the epoch chosen on validation data. Writes `near_misses.json` beside this file.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from ranvier.lab.studies.by_gradient.problems import samples

HIDDEN, INPUTS, BATCH, SEEDS, RATE = 30, 16, 50, 3, 0.005
TAU_MEM, TAU_SYN, WIDTH, SCALE = 20.0, 5.0, 0.3, 20.0
TASKS = {"order": (2, 110), "reversals": (10, 160)}
MEM, SYN = np.exp(-1.0 / TAU_MEM), np.exp(-1.0 / TAU_SYN)
KERNEL = TAU_SYN / (TAU_MEM - TAU_SYN) * (MEM - SYN)

Trace = Float[Array, "steps batch hidden"]
Rule = Callable[[Trace, Trace], Trace]


class Weights(NamedTuple):
    """Of inputs, hidden neurons and outputs."""

    inner: Float[Array, "inputs hidden"]
    recurrent: Float[Array, "hidden hidden"]
    out: Float[Array, "hidden classes"]


def value(u: Trace, fired: Trace) -> Trace:
    """The spikes."""
    return fired


def near(u: Trace, fired: Trace, silent_only: bool = False) -> Trace:
    """The spikes, and the highest points below the threshold."""
    middle = u[1:-1]
    top = (middle >= u[:-2]) & (middle > u[2:]) & (fired[:-2] + fired[1:-1] + fired[2:] == 0)
    if silent_only:
        top &= fired.sum(0)[None] == 0
    might = jnp.where(top, jnp.exp(jnp.minimum((middle - 1.0) / WIDTH, 0.0)), 0.0)
    return fired + jnp.pad(might, ((1, 1), (0, 0), (0, 0)))


def highest(u: Trace, fired: Trace) -> Trace:
    """The spikes, and the highest point of each neuron that has none."""
    top = (u == u.max(0, keepdims=True)) & (fired.sum(0)[None] == 0)
    return fired + jnp.where(top, jnp.exp(jnp.minimum((u - 1.0) / WIDTH, 0.0)), 0.0)


RULES: dict[str, Rule] = {
    "value": value,
    "near misses": near,
    "near of silent": partial(near, silent_only=True),
    "highest": highest,
    "recovery": value,
    "margin": value,
}


def run(w: Weights, spikes: Float[Array, "batch steps inputs"], rule: Rule) -> tuple[Array, Trace, Trace]:
    """Mean potentials of the outputs, spikes and potentials of hidden neurons."""
    drive = jnp.einsum("bti,ih->tbh", spikes, w.inner)
    none = jnp.zeros(drive.shape[1:])
    readout = jnp.zeros((drive.shape[1], w.out.shape[1]))

    def advance(state: tuple[Array, ...], arriving: Array) -> tuple[Array, ...]:
        u, i, read_u, read_i, sent = state
        i, read_i = i + arriving + sent @ w.recurrent, read_i + sent @ w.out
        u, read_u = MEM * u + KERNEL * i, MEM * read_u + KERNEL * read_i
        return u, SYN * i, read_u, SYN * read_i, (lax.stop_gradient(u) >= 1.0).astype(u.dtype)

    def once(state: tuple[Array, ...], arriving: Array) -> tuple[tuple[Array, ...], tuple[Array, Array]]:
        u, i, read_u, read_i, fires = advance(state, arriving)
        return (u * (1.0 - fires), i, read_u, read_i, fires), (u, fires)

    def again(state: tuple[Array, ...], now: tuple[Array, Array]) -> tuple[tuple[Array, ...], tuple[Array, Array]]:
        u, i, read_u, read_i, fires = advance(state, now[0])
        sent = fires + now[1] * (u - lax.stop_gradient(u))
        return (u * (1.0 - fires), i, read_u, read_i, sent), (read_u, u)

    start = none, none, readout, readout, none
    _, (seen, fired) = lax.stop_gradient(lax.scan(once, start, drive))
    _, (read, u) = lax.scan(again, start, (drive, rule(seen, fired)))
    return read.mean(0), fired, u


def loss_of(w: Weights, x: Array, y: Array, method: str) -> tuple[Array, tuple[Array, Array, Array]]:
    """Cross-entropy; silent samples of each neuron (share), spikes per neuron, accuracy."""
    mean, fired, u = run(w, x, RULES[method])
    silent = fired.sum(0) == 0
    loss = optax.softmax_cross_entropy_with_integer_labels(SCALE * mean, y).mean()
    if method == "margin":
        loss += jnp.mean(jnp.where(silent, jnp.maximum(1.0 - u.max(0), 0.0) ** 2, 0.0))
    return loss, (silent.mean(0), fired.sum(0).mean(), (mean.argmax(1) == y).mean())


def grid(task: str) -> list[tuple[Array, Array]]:
    """Training, validation and test samples as numbers of spikes in each step."""
    parts = []
    for part in samples(task, ""):
        at, unit = np.asarray(part.spikes.time), np.asarray(part.spikes.unit)
        spikes = np.zeros((len(at), TASKS[task][1], INPUTS), np.float32)
        b, s = np.nonzero(np.isfinite(at))
        np.add.at(spikes, (b, np.minimum(np.ceil(at[b, s]).astype(int), spikes.shape[1] - 1), unit[b, s]), 1)
        parts.append((jnp.asarray(spikes), jnp.asarray(part.target)))
    return parts


def initial(key: Array, classes: int, start: float) -> Weights:
    """As in the study, those onto hidden neurons times `start`."""
    inner, recurrent, out = jax.random.split(key, 3)
    return Weights(
        start * (0.3 + 0.3 * jax.random.normal(inner, (INPUTS, HIDDEN))),
        start * 0.1 * jax.random.normal(recurrent, (HIDDEN, HIDDEN)),
        0.3 * jax.random.normal(out, (HIDDEN, classes)),
    )


def raised(w: Weights, step: Float[Array, " hidden"], silent: Float[Array, " hidden"]) -> tuple[Weights, Array]:
    """Raise weights onto silent neurons; the step doubles from batch to batch, up to 0.5."""
    asleep = silent > 0.3
    lift = jnp.where(asleep, step, 0.0)[None]
    return Weights(w.inner + lift, w.recurrent + lift, w.out), jnp.where(asleep, jnp.minimum(2.0 * step, 0.5), 1e-3)


def train(task: str, start: float, method: str, epochs: int) -> dict[str, Any]:
    """Three networks side by side; test accuracy of each one's best epoch on validation data."""
    classes = TASKS[task][0]
    (x, y), chosen_by, reported = grid(task)
    steps = epochs * len(x) // BATCH
    optimiser = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(optax.cosine_decay_schedule(RATE, steps, 0.02)))

    def one(w: Weights, state: Any, lift: Array, x: Array, y: Array) -> tuple[Any, ...]:
        gradient, told = jax.grad(loss_of, has_aux=True)(w, x, y, method)
        update, state = optimiser.update(gradient, state)
        w = optax.apply_updates(w, update)
        return (*(raised(w, lift, told[0]) if method == "recovery" else (w, lift)), state, told[0].mean(), told[1])

    step = jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None)))
    score = jax.jit(jax.vmap(lambda w, x, y: loss_of(w, x, y, "value")[1][2], in_axes=(0, None, None)))
    w = jax.vmap(partial(initial, classes=classes, start=start))(jax.random.split(jax.random.key(0), SEEDS))
    state, lift = jax.vmap(optimiser.init)(w), jnp.full((SEEDS, HIDDEN), 1e-3)
    rng, best, test = np.random.default_rng(0), np.zeros(SEEDS), np.zeros(SEEDS)
    began = time.perf_counter()
    for _ in range(epochs):
        for rows in rng.permutation(len(x)).reshape(-1, BATCH):
            w, lift, state, silent, fired = step(w, state, lift, x[rows], y[rows])
        now = np.asarray(score(w, *chosen_by))
        test = np.where(now > best, np.asarray(score(w, *reported)), test)
        best = np.maximum(best, now)
    percent = lambda values: [round(100.0 * float(one), 1) for one in values]
    return {
        "task": task, "start": start, "method": method, "test": percent(test), "silent": percent(silent),
        "spikes": [round(float(one), 2) for one in fired], "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def main() -> None:
    """Train and print one line each, and write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--starts", default="1,0.2")
    parser.add_argument("--methods", default=",".join(RULES))
    given = parser.parse_args()
    rows = []
    for task in TASKS:
        for start in map(float, given.starts.split(",")):
            for method in given.methods.split(","):
                rows.append(train(task, start, method, given.epochs))
                print(json.dumps(rows[-1]), flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
