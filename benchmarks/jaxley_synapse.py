"""Cost of `DelayedSynapse` next to Jaxley's own synapse, and next to adseq's bridge where that is installed.

    python benchmarks/jaxley_synapse.py [--out benchmarks/jaxley_synapse.json]

30 Hodgkin-Huxley cells, all onto all: 900 synapses, 800 steps of 0.025 ms, float64. Times are medians of compiled
programs that take turns. Then the derivative of the time at which a cell answers by the delay, at that step, against
steps of an eighth, and what adseq's is. Needs Jaxley; `pip install adseq==0.9.4` for the rows of adseq.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxley as jx
import numpy as np
from jaxley.channels import HH
from jaxley.connect import connect, fully_connect
from jaxley.synapses import IonotropicSynapse

from ranvier.interop.jaxley import Current, DelayedSynapse, DoubleExponential
from ranvier.queues import FifoQueue

CELLS, STEPS, DT, V_TH = 30, 800, 0.025, -20.0
DELAY, RISE, FALL, WEIGHT = 5.0, 0.5, 2.0, 2e-4
WEIGHTS = ("_gS", "_iS", "_weight")


def adseq_synapse() -> Any:
    """adseq's synapse for Jaxley with the default queue, or None. Importing it sets float64 and the platform of JAX."""
    try:
        from adseq.bridges.jaxley_bridge import DelaySynapse
    except ImportError:
        return None
    return DelaySynapse(vthres=V_TH)


def of_one_kind(places: int = 1) -> DelayedSynapse:
    """The model of adseq's bridge: a current, two exponentials, one spike on its way."""
    kernel, effect = DoubleExponential(RISE, FALL), Current(iS=WEIGHT)
    return DelayedSynapse(DELAY, V_TH, kernel=kernel, effect=effect, queue=FifoQueue(places))


def network(synapse: Any) -> jx.Network:
    """All cells onto all cells, with a current into every third."""
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    net = jx.Network([cell] * CELLS)
    net.insert(HH())
    fully_connect(net.cell("all"), net.cell("all"), synapse)
    current = jx.step_current(i_delay=1.0, i_dur=10.0, i_amp=0.02, delta_t=DT, t_max=DT * STEPS)
    for at in range(0, CELLS, 3):
        net.cell(at).branch(0).comp(0).stimulate(current, verbose=False)
    net.cell(1).branch(0).comp(0).record("v", verbose=False)
    key = next(name for name in synapse.synapse_params if name.endswith(WEIGHTS))
    net.set(key, 1e-6)
    net.make_trainable(key, verbose=False)
    return net


def programs(synapse: Any) -> tuple[dict[str, Any], Any]:
    """Compiled programs by name, or why there is none, and the parameters they take."""
    net = network(synapse)
    params = net.get_parameters()
    loss = lambda params: jnp.mean(jx.integrate(net, params=params, delta_t=DT) ** 2)
    found: dict[str, Any] = {}
    for name, function in {"forward": loss, "gradient": jax.value_and_grad(loss)}.items():
        start = time.perf_counter()
        try:
            found[name] = jax.jit(function).lower(params).compile()
            found[f"{name} compile s"] = time.perf_counter() - start
        except Exception as error:  # whatever another library raises
            found[f"{name} fails"] = str(error).partition("\n")[0][:200]
    return found, params


def measure(cases: dict[str, Any], repeats: int) -> dict[str, dict[str, Any]]:
    """Times of all cases, which take turns, and ratios to the first one."""
    made = {name: programs(synapse) for name, synapse in cases.items()}
    rows: dict[str, dict[str, Any]] = {name: {} for name in cases}
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(repeats + 1):
        for name, (compiled, params) in made.items():
            for kind in {"forward", "gradient"} & compiled.keys():
                start = time.perf_counter()
                jax.block_until_ready(compiled[kind](params))
                if turn:  # the first one warms up
                    times.setdefault((name, kind), []).append(1000 * (time.perf_counter() - start))
    first = next(iter(cases))
    for name, (compiled, _) in made.items():
        rows[name] |= {key: value for key, value in compiled.items() if key not in ("forward", "gradient")}
        for kind in ("forward", "gradient"):
            if (name, kind) in times:
                rows[name][f"{kind} ms"] = float(np.median(times[name, kind]))
                rows[name][f"{kind} ratio"] = rows[name][f"{kind} ms"] / rows[first][f"{kind} ms"]
                rows[name][f"{kind} MiB"] = compiled[kind].memory_analysis().temp_size_in_bytes / 2**20
    return rows


def answer(synapse: Any, dt: float) -> Callable[[float], jax.Array]:
    """When one of two cells answers a spike of the other, by the delay: the centre of its squared deflection."""
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    net = jx.Network([cell] * 2)
    net.insert(HH())
    net.set("v", -65.0)
    net.init_states(delta_t=dt)
    connect(net.cell(0).branch(0).comp(0), net.cell(1).branch(0).comp(0), synapse)
    net.set(next(name for name in synapse.synapse_params if name.endswith(WEIGHTS)), WEIGHT)
    pulse = jx.step_current(i_delay=2.0, i_dur=1.0, i_amp=0.02, delta_t=dt, t_max=40.0)
    net.cell(0).branch(0).comp(0).stimulate(pulse, verbose=False)
    net.cell(1).branch(0).comp(0).record("v", verbose=False)
    key = next(name for name in synapse.synapse_params if name.endswith("_delay"))
    net.make_trainable(key, verbose=False)

    def when(delay: float) -> jax.Array:
        v = jx.integrate(net, params=[{key: jnp.reshape(delay, 1)}], delta_t=dt)[0]
        weight = (v - v[0]) ** 2
        return jnp.sum(weight * dt * jnp.arange(v.shape[0])) / jnp.sum(weight)

    return jax.jit(when)


def errors(theirs: Any) -> dict[str, float]:
    """Relative errors of derivatives with respect to the delay, worst of four delays within a step; forward mode."""
    delays = DELAY + np.array([0.0, 0.0066, 0.0133, 0.02])
    slope = lambda when: np.array([float(jax.jvp(when, (delay,), (1.0,))[1]) for delay in delays])
    true = slope(answer(of_one_kind(), DT / 8))
    found = {"ours": float(np.abs(slope(answer(of_one_kind(), DT)) / true - 1).max())}
    if theirs is not None:
        found["adseq"] = float(np.abs(slope(answer(theirs, DT)) / true - 1).max())
        fine = answer(theirs, DT / 8)
        difference = np.array([float(fine(delay + 0.1) - fine(delay - 0.1)) / 0.2 for delay in delays])
        found["adseq's differences at an eighth of the step, against ours"] = float(np.abs(difference / true - 1).max())
    return found


def main() -> None:
    """Print and, if asked, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")  # Jaxley uses what pandas calls deprecated
    cases: dict[str, Any] = {"IonotropicSynapse": IonotropicSynapse()}
    cases |= {f"DelayedSynapse, {size} places": DelayedSynapse(queue=FifoQueue(size)) for size in (4, 1, 16)}
    theirs = adseq_synapse()
    if theirs is not None:
        cases |= {"the model of adseq, 1 place": of_one_kind(), "adseq SingleSpike": theirs}
    rows: dict[str, Any] = measure(cases, given.repeats)
    rows["error of the derivative by the delay"] = errors(theirs)
    for name, row in rows.items():
        print(name, {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
