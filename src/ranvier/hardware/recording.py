"""Recorded runs as a substrate: what a chip measured once, in a file, to evaluate gradients at without the chip.

A recording is an `.npz` archive that NumPy opens anywhere, without pickle. Times are in ms, `inf` is no spike:

    format              "ranvier-recording-1"
    t_end               end of the run
    input/NAME          spike time of each unit of each input population, (batch, size)
    first/NAME          first spikes of each population of neurons, (batch, size)
    arrival/N           when the spikes of the senders of connection N left their delay elements, (batch, pre)
    weight/N, delay/N   the settings of connection N, as written
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier.connections import Connection
from ranvier.delays import FixedDelay
from ranvier.dense import dense
from ranvier.hardware.substrate import AbstractSubstrate, Measured
from ranvier.network import Network

FORMAT = "ranvier-recording-1"


class Recording(AbstractSubstrate):
    """A run that was measured before. It answers for the settings and the inputs it was made with, and no others.

    Args:
        settings: The network as written.
        inputs: Spike time (ms) of each unit of each input population, `inf` for none.
        measured: What was measured.
        t_end: End of the run (ms).

    Example:
        >>> import tempfile, jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip, Recording, load_recording, save_recording
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> net = rv.feedforward([6, 3], neuron=neuron, weight=rv.initializers.constant(0.8), key=jax.random.key(0))
        >>> chip, inputs = EmulatedChip(BrainScaleS2()), {"input": jnp.ones((5, 6))}
        >>> measured = chip.measure(net, inputs, 60.0, key=jax.random.key(1))
        >>> path = tempfile.mkdtemp() + "/run.npz"
        >>> save_recording(path, Recording(chip.written(net), inputs, measured, 60.0))
        >>> again = load_recording(path, net)
        >>> bool((again.measured.first["output"] == measured.first["output"]).all())
        True
    """

    settings: Network
    inputs: dict[str, Float[Array, "batch _"]]
    measured: Measured
    t_end: float

    def written(self, network: Network) -> Network:
        """`network` itself: what was written is what is asked for."""
        for at, (link, had) in enumerate(zip(dense(network), dense(self.settings), strict=True)):
            for what, now, then in (("weight", link.weight, had.weight), ("delay", link.delay, had.delay)):
                _check_same(f"{what} {at} ({link.name})", now, then)
        return network

    def measure(
        self, network: Network, inputs: dict[str, Float[Array, "batch _"]], t_end: float, *, key: PRNGKeyArray
    ) -> Measured:
        """What was measured."""
        del network, key
        if t_end != self.t_end:
            msg = f"Recording: `t_end` was {self.t_end} ms when this was recorded; got {t_end} ms."
            raise ValueError(msg)
        for name, times in inputs.items():
            _check_same(f"input {name}", times, self.inputs[name])
        return self.measured


def save_recording(path: Path | str, recording: Recording) -> None:
    """Write a recording to a file.

    Args:
        path: The file, `.npz`.
        recording: What to write.
    """
    links = recording.settings.connections
    arrays = {"format": np.array(FORMAT), "t_end": np.array(recording.t_end)}
    arrays |= {f"input/{name}": np.asarray(times) for name, times in recording.inputs.items()}
    arrays |= {f"first/{name}": np.asarray(times) for name, times in recording.measured.first.items()}
    arrays |= {f"arrival/{at}": np.asarray(times) for at, times in enumerate(recording.measured.arrival)}
    arrays |= {f"weight/{at}": np.asarray(link.weight) for at, link in enumerate(links)}
    arrays |= {f"delay/{at}": np.asarray(recording.settings.delay(link)) for at, link in enumerate(links)}
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_recording(path: Path | str, network: Network) -> Recording:
    """Read a recording of a network.

    Args:
        path: The file.
        network: A network with the populations, neurons and connections that were recorded; its weights and delays do
            not matter.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, of another kind, or of another network.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and NumPy raise errors of many kinds for damaged files
        msg = f"{path} is broken or not a recording ({str(error)[:200]}); record again."
        raise ValueError(msg) from error
    if str(arrays.get("format")) != FORMAT:
        msg = f"{path} is not a recording: expected format {FORMAT!r}, got {str(arrays.get('format'))[:60]}."
        raise ValueError(msg)
    return _recording(Path(path), arrays, network)


def _recording(path: Path, arrays: dict[str, np.ndarray], network: Network) -> Recording:
    sizes = {name: one.size for name, one in network.populations.items()}
    batch = next((len(values) for name, values in arrays.items() if name.startswith("input/") and values.ndim), 0)

    def take(name: str, *shape: int) -> Float[Array, "*shape"]:
        got = arrays[name].shape if name in arrays else "nothing"
        if name not in arrays or (shape and got != shape):
            msg = f"{path} was not recorded with this network: expected {name} of shape {shape}, got {got}."
            raise ValueError(msg)
        return jnp.asarray(_numbers(path, name, arrays[name]), network.dtype)

    links = []
    for at, link in enumerate(network.connections):
        weight, delay = take(f"weight/{at}", *link.weight.shape), take(f"delay/{at}")
        links.append(Connection(link.pre, link.post, weight, FixedDelay(delay), link.pattern, name=link.name))
    measured = Measured(
        {name: take(f"first/{name}", batch, sizes[name]) for name in network.neurons},
        tuple(take(f"arrival/{at}", batch, sizes[link.pre]) for at, link in enumerate(network.connections)),
    )
    settings = Network(network.populations, links)
    t_end = np.asarray(arrays.get("t_end", np.nan))
    if t_end.shape != () or not _numbers(path, "t_end", t_end) > 0:
        msg = f"{path} is broken: t_end must be a time above 0 (ms); got {str(t_end)[:60]}."
        raise ValueError(msg)
    inputs = {name: take(f"input/{name}", batch, sizes[name]) for name in network.inputs}
    return Recording(settings, inputs, measured, float(t_end))


def _numbers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """`values`, if they are numbers."""
    if values.dtype.kind not in "fiu" or np.isnan(values).any():
        msg = f"{path} is broken: {name} must be numbers, without NaN; got {values.dtype}."
        raise ValueError(msg)
    return values


def _check_same(what: str, now: Float[Array, "*shape"], then: Float[Array, "*shape"]) -> None:
    """Refuse numbers that are not those of the recording, where both are known."""
    asked, stored = concrete(now), concrete(then)
    if asked is None or stored is None:
        return
    if asked.shape != stored.shape or not np.allclose(asked, stored, rtol=1e-5, atol=1e-6):
        msg = (
            f"Recording: {what} is not what was recorded; use the network and inputs of the recording, or record again."
        )
        raise ValueError(msg)
