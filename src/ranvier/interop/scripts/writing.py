"""Writing a script and its numbers, and reading the spikes that it found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ranvier._concrete import concrete
from ranvier.events import Spikes
from ranvier.interop.scripts.brian2_script import SCRIPT as BRIAN2
from ranvier.interop.scripts.pynn_script import SCRIPT as PYNN
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.patterns import Pairs


class Written(NamedTuple):
    """What was written.

    Args:
        script: The script.
        numbers: The file with its numbers.
        result: The file that it will write: spikes, for `read_spikes`.
        rounding: Largest change of a delay (ms), where the simulator rounds delays to its step; 0 for Brian2's script,
            which does not.
    """

    script: Path
    numbers: Path
    result: Path
    rounding: float


def write_brian2(
    path: str | Path, network: Network, spikes: Spikes | Mapping[str, Spikes], *, t_end: float, dt: float = 0.01
) -> Written:
    """Write a network of LIF and LI, and its input, as a script for Brian2.

    Delays are one per synapse there, whether they are axonal, dendritic or synaptic here. The script rounds neither
    spikes nor delays to steps: with the default step, spike times of the networks in the tests differ by less than
    1e-6 ms from those of `EventDriven`. Most of its lines are there for that, and say how.

    Args:
        path: The script, `*.py`; its numbers go beside it, `*_numbers.npz`.
        network: The network, of known values.
        spikes: Spikes of the input, as for `simulate`, of one sample, or of a batch, whose samples have a copy of the
            network each.
        t_end: End of the simulation (ms).
        dt: Step (ms).

    Returns:
        The files, and the largest rounding of a delay.

    Raises:
        ValueError: a population is neither LIF nor LI, spikes are missing or not valid, or a number is traced.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.fixed(1.004), key=jax.random.key(0))
        >>> spikes = rv.Spikes([1.0, 2.0], [0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = rv.interop.scripts.write_brian2(f"{folder}/net.py", net, spikes, t_end=20.0)
        ...     written.script.name, written.rounding
        ('net.py', 0.0)
    """
    return _write("write_brian2", BRIAN2, path, network, spikes, t_end, dt, on_grid=False)


def write_pynn(
    path: str | Path, network: Network, spikes: Spikes | Mapping[str, Spikes], *, t_end: float, dt: float = 0.1
) -> Written:
    """Write a network of LIF and LI, and its input, as a script for PyNN, which runs it in NEST, NEURON or Brian2.

    PyNN has one delay per connection, at least one step long; NEST counts it as dendritic. Where nothing learns there,
    axonal, dendritic and synaptic delays do the same. A refractory time below one step becomes one step, as in NEST.

    Args:
        path: As for `write_brian2`, and so are the other arguments.
        network: See there.
        spikes: See there.
        t_end: See there.
        dt: See there.

    Returns:
        The files, and the largest rounding of a delay.

    Raises:
        ValueError: as for `write_brian2`, a delay is shorter than a step, or two spikes of one unit are in one step.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.fixed(1.0), key=jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.scripts.write_pynn(f"{folder}/net.py", net, rv.Spikes([1.0], [0]), t_end=20.0).numbers.name
        'net_numbers.npz'
    """
    return _write("write_pynn", PYNN.replace("{name}", Path(path).name), path, network, spikes, t_end, dt, on_grid=True)


def read_spikes(written: Written | str | Path) -> dict[str, Spikes]:
    """Read the spikes that a script found.

    Args:
        written: What was written, or the file of the result.

    Returns:
        Spikes by population, of shape (samples, longest train) if there were several samples, in order of time.

    Raises:
        FileNotFoundError: the script has not been run.
        ValueError: the file is damaged, or not of such a script.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = rv.interop.scripts.write_brian2(f"{folder}/net.py", net, rv.Spikes([1.0], [0]), t_end=20.0)
        ...     try:
        ...         rv.interop.scripts.read_spikes(written)
        ...     except FileNotFoundError as error:
        ...         print("run the script first" in str(error))
        True
    """
    path = written.result if isinstance(written, Written) else Path(written)
    if not path.is_file():
        msg = f"read_spikes: there is no file {path}; run the script first."
        raise FileNotFoundError(msg)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            facts, arrays = json.loads(str(file["facts"])), {name: file[name] for name in file.files if name != "facts"}
        samples, found = int(facts["samples"]), {}
        for at, one in enumerate(facts["populations"]):
            if not one["input"]:
                found[one["name"]] = _trains(arrays[f"p{at}_index"], arrays[f"p{at}_time"], int(one["size"]), samples)
    except Exception as error:  # zipfile and NumPy raise errors of many kinds for damaged files
        msg = f"read_spikes: {path} is damaged, or not the result of such a script ({str(error)[:200]})."
        raise ValueError(msg) from error
    return found


def _trains(index: Int[np.ndarray, " spikes"], time: Float[np.ndarray, " spikes"], size: int, samples: int) -> Spikes:
    """Spikes of all copies as a batch."""
    if index.ndim != 1 or index.shape != time.shape or index.dtype.kind not in "iu" or time.dtype.kind != "f":
        msg = f"expected a neuron and a time for each spike; got {index.dtype} and {time.dtype}"
        raise ValueError(msg)
    order = np.lexsort((index, time))
    index, time = index[order], time[order]
    sample, unit = np.divmod(index, size)
    if len(index) and (sample.min() < 0 or sample.max() >= samples or not np.isfinite(time).all()):
        msg = "a spike belongs to no neuron, or its time is not finite"
        raise ValueError(msg)
    width = int(np.bincount(sample, minlength=samples).max(initial=0))
    times, units = np.full((samples, width), np.inf), np.full((samples, width), -1, np.int32)
    for one in range(samples):
        mine = sample == one
        times[one, : mine.sum()], units[one, : mine.sum()] = time[mine], unit[mine]
    return Spikes(jnp.asarray(times[0]), jnp.asarray(units[0]), size) if samples == 1 else Spikes(times, units, size)


def _write(
    owner: str,
    text: str,
    path: str | Path,
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    t_end: float,
    dt: float,
    on_grid: bool,
) -> Written:
    script = Path(path)
    _check(owner, script, network, t_end, dt)
    inputs = {network.inputs[0]: spikes} if isinstance(spikes, Spikes) else dict(spikes)
    if set(inputs) != set(network.inputs):
        msg = f"{owner}: `spikes` must be given for each input, {list(network.inputs)}; got {sorted(inputs)}."
        raise ValueError(msg)
    arrays: dict[str, np.ndarray] = {}
    samples = {np.shape(one.time)[0] if np.ndim(one.time) == 2 else 1 for one in inputs.values()}
    if len(samples) > 1:
        msg = f"{owner}: all inputs must have the same number of samples; got {sorted(samples)}."
        raise ValueError(msg)
    for at, name in enumerate(network.names):
        known = (
            _input(owner, name, inputs[name], network.size(name), t_end, dt if on_grid else None)
            if name in inputs
            else _cells(network, name, t_end)
        )
        arrays |= {f"p{at}_{field}": values for field, values in known.items()}
    rounding = longest = 0.0
    for at in range(len(network.connections)):
        known = _synapses(network, at)
        arrays |= {f"c{at}_{field}": values for field, values in known.items()}
        longest = max(longest, float(known["delay"].max(initial=0.0)))
        if on_grid:
            rounding = max(rounding, _rounding(owner, network.connections[at].name, known["delay"], dt))
    facts = {"dt": dt, "t_end": t_end, "samples": samples.pop(), "longest": longest}
    facts["populations"] = [
        {"name": name, "size": network.size(name), "input": name in inputs} for name in network.names
    ]
    facts["connections"] = [{"name": link.name, "pre": link.pre, "post": link.post} for link in network.connections]
    numbers = script.with_name(f"{script.stem}_numbers.npz")
    np.savez(numbers, allow_pickle=False, facts=np.asarray(json.dumps(facts)), **arrays)
    script.write_text(text, encoding="utf-8")
    return Written(script, numbers, script.with_name(f"{script.stem}_spikes.npz"), rounding)


def _rounding(owner: str, link: str, delay: Float[np.ndarray, " synapses"], dt: float) -> float:
    """Largest rounding of the delays (ms) of a connection to steps; too short ones are refused."""
    if delay.min(initial=np.inf) < dt:
        msg = (
            f"{owner}: connection {link} has a delay of {delay.min():g} ms; PyNN needs at least one step, {dt:g} ms. "
            "Take a smaller `dt`, or longer delays."
        )
        raise ValueError(msg)
    return float(np.abs(np.round(delay / dt) * dt - delay).max(initial=0.0))


def _check(owner: str, script: Path, network: Network, t_end: float, dt: float) -> None:
    if script.suffix != ".py":
        msg = f"{owner}: `path` must end in .py; got {script.name}."
        raise ValueError(msg)
    if any(concrete(leaf) is None for leaf in jax.tree.leaves(network)):
        msg = f"{owner}: the network must have known values; it is traced. Call this outside of jit, grad and vmap."
        raise ValueError(msg)
    for name, value in {"t_end": t_end, "dt": dt}.items():
        if not (np.isfinite(value) and value > 0):
            msg = f"{owner}: `{name}` must be a time above 0 (ms); got {value}."
            raise ValueError(msg)
    for name, neuron in network.neurons.items():
        if not isinstance(neuron, LIF | LI):
            msg = f"{owner}: population {name!r} has {type(neuron).__name__} neurons; only LIF and LI can be written."
            raise ValueError(msg)


def _input(owner: str, name: str, spikes: Spikes, size: int, t_end: float, dt: float | None) -> dict[str, np.ndarray]:
    """Spikes of an input by the index of their unit's copy; with a step, at most one of each in it."""
    known = concrete(spikes.time), concrete(spikes.unit)
    if known[0] is None or known[1] is None:
        msg = f"{owner}: the spikes of {name!r} must be known; they are traced."
        raise ValueError(msg)
    time, unit = np.atleast_2d(known[0]).astype(float), np.atleast_2d(known[1])
    there = time < np.inf
    if np.isnan(time).any() or (time[there] < 0).any() or ((unit[there] < 0) | (unit[there] >= size)).any():
        msg = f"{owner}: the spikes of {name!r} must have times >= 0 (ms) and units in 0..{size - 1}."
        raise ValueError(msg)
    there &= time < t_end
    sample = np.broadcast_to(np.arange(len(time))[:, None], time.shape)
    index, sent = (sample * size + unit)[there], time[there]
    step = np.zeros(0) if dt is None else np.floor(np.maximum(sent - dt, 0.0) / dt + 1e-6)
    if dt is not None and len(np.unique(np.stack([index, step]), axis=1).T) < len(index):
        msg = f"{owner}: two spikes of one unit of {name!r} are in one step of {dt:g} ms; take a smaller `dt`."
        raise ValueError(msg)
    return {"index": index, "time": sent}


def _cells(network: Network, name: str, t_end: float) -> dict[str, np.ndarray]:
    """Parameters of a population, one per neuron."""
    neuron: Any = network[name].neuron
    each = lambda value: np.array(np.broadcast_to(np.asarray(value, float), (network.size(name),)))
    found = {field: each(getattr(neuron, field)) for field in ("tau_mem", "tau_syn", "v_leak", "bias", "v_reset")}
    never = t_end + 1.0  # a threshold that is not met, a time that does not end
    found["v_threshold"] = np.minimum(each(neuron.v_threshold), 1e9)
    return found | {"wait": np.minimum(each(neuron.refractory), never)}


def _synapses(network: Network, at: int) -> dict[str, np.ndarray]:
    """Ends, weights and delays of the synapses of a connection."""
    link = network.connections[at]
    pre, post = network.size(link.pre), network.size(link.post)
    there = link.pattern.exists(pre, post)
    ends = np.divmod(np.arange(pre * post), post)
    if isinstance(link.pattern, Pairs):
        ends = np.asarray(link.pattern.pre), np.asarray(link.pattern.post)
    elif there is not None:
        msg = f"connection {link.name}: patterns of the kind {type(link.pattern).__name__} cannot be written."
        raise ValueError(msg)
    delay = np.asarray(network.delay(link), float)
    delay = delay if delay.ndim == 1 else np.broadcast_to(delay, (pre, post))[ends[0], ends[1]]
    return {"pre": ends[0], "post": ends[1], "weight": np.asarray(link.weight, float).reshape(-1), "delay": delay}
