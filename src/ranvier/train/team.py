"""The processes and devices of a training: who they are, where arrays lie, and what they tell each other.

Process 0 leads: it owns the run folder and says how things stand. The others compute what it computes, with the same
numbers, so that they take the same decisions.
"""

import atexit
import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree, UInt8

from ranvier.train.interrupt import patiently
from ranvier.train.run_folder import RunError
from ranvier.train.shards import AXIS, Shards
from ranvier.train.step import Totals, places
from ranvier.train.watchdog import PeerError, Watchdog, addresses

Tree = TypeVar("Tree", bound=PyTree)

VERDICT = 5.0
"""Seconds to learn from the watchdog why an exchange has failed."""


@dataclasses.dataclass(frozen=True)
class Devices:
    """Spreads every batch over devices in equal parts: those of this process, and of all others of `jax.distributed`.

    Losses and networks are those of one device, but for rounding; a run may be resumed with other devices. Only a
    simulator with noise draws other noise.

    Args:
        count: Devices of each process; default all it has.
        silence: Seconds without a word after which a process counts as lost.
        patience: Seconds that others wait for a process that holds them up.

    Raises:
        ValueError: a process has fewer devices, or processes have different numbers; raised where it is used.

    Example:
        >>> from ranvier.train import Devices
        >>> Devices(count=1).mesh().size
        1
    """

    count: int | None = None
    silence: float = 30.0
    patience: float = 600.0

    def mesh(self) -> Mesh:
        """The devices in order of their processes."""
        by_process: dict[int, list[Any]] = {number: [] for number in range(jax.process_count())}
        for device in sorted(jax.devices(), key=lambda device: device.id):
            by_process[device.process_index].append(device)
        wanted = len(by_process[0]) if self.count is None else self.count
        for process, there in by_process.items():
            if not 1 <= wanted <= len(there):
                hint = ""
                if there[0].platform == "cpu":
                    hint = "; a CPU is one device, unless jax.config.update('jax_num_cpu_devices', n) says otherwise"
                msg = f"Devices: expected {wanted} devices in process {process}; it has {len(there)}{hint}."
                raise ValueError(msg)
        return Mesh(np.array([device for there in by_process.values() for device in there[:wanted]]), (AXIS,))


class Team:
    """All that take part in a training. Without `devices` that is this process with its usual device.

    Args:
        devices: Over which devices batches are spread.

    Example:
        >>> from ranvier.train.team import Team
        >>> team = Team()
        >>> team.leads, team.anybody(False), team.led(lambda: {"epochs": 3})
        (True, False, {'epochs': 3})
    """

    def __init__(self, devices: Devices | None = None):
        self.devices = devices
        self.mesh = None if devices is None else devices.mesh()
        self.shards = Shards() if self.mesh is None else Shards(self.mesh.size)
        self.several = self.mesh is not None and jax.process_count() > 1
        self.process, self.processes = (jax.process_index(), jax.process_count()) if self.several else (0, 1)
        self.watchdog: Watchdog | None = None

    @property
    def leads(self) -> bool:
        """Whether this is process 0, which writes."""
        return self.process == 0

    @contextlib.contextmanager
    def watched(self, advice: Callable[[], str]) -> Iterator[None]:
        """Within this block the processes watch each other.

        Args:
            advice: How to go on, if that is told where a process is lost.

        Raises:
            PeerError: another process was lost, or failed.
        """
        if not self.several or self.watchdog is not None:
            yield
            return
        self.watchdog, failure = self._hired(advice), "it was stopped"
        try:
            yield
            failure = None
        except (PeerError, jax.errors.JaxRuntimeError) as error:
            trouble = str(error) if isinstance(error, PeerError) else self._verdict()
            if trouble is None:
                failure = str(error)
                raise
            _leave_at_once()
            msg = f"{trouble}. {advice()}"
            raise PeerError(msg) from error
        except BaseException as error:
            failure = f"{type(error).__name__}: {error}"
            if not isinstance(error, RuntimeError | ValueError | KeyboardInterrupt):  # those meet all processes alike
                _leave_at_once()
            raise
        finally:
            self.watchdog.leave(failure)
            self.watchdog = None

    def _verdict(self) -> str | None:
        """Why an exchange has failed, if that was another process."""
        until = time.monotonic() + VERDICT
        while self.watchdog is not None and time.monotonic() < until:
            if self.watchdog.trouble is not None:
                self.watchdog.noticed.set()
                return self.watchdog.trouble
            time.sleep(0.05)
        return None

    def _hired(self, advice: Callable[[], str]) -> Watchdog:
        """A watchdog, connected to the others'."""
        assert self.devices is not None
        how: dict[str, Any] = {"silence": self.devices.silence, "patience": self.devices.patience, "advice": advice}
        dog = Watchdog.open(**how) if self.leads else None
        where = self.told({"hosts": addresses(), "port": dog.port, "token": dog.token} if dog else None)
        return dog or Watchdog.join(self.process, where["hosts"], where["port"], where["token"], **how)

    def placed(self, tree: Tree) -> Tree:
        """Arrays that are the same in all processes, on every device."""
        if self.mesh is None:
            return tree
        everywhere = NamedSharding(self.mesh, PartitionSpec())

        def place(leaf: Any) -> Array:
            if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
                data = place(jax.random.key_data(leaf))
                return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
            known = np.array(leaf, copy=True)
            return jax.make_array_from_callback(known.shape, everywhere, lambda index: known[index])

        return jax.tree.map(place, tree)

    def parted(self, tree: Tree) -> Tree:
        """Arrays of batches, of which this process has its part."""
        if self.mesh is None:
            return tree
        parts = NamedSharding(self.mesh, PartitionSpec(AXIS))
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(parts, np.asarray(leaf)), tree)

    def sums(self, totals: Totals) -> Totals:
        """Sums before the first batch: those of the places of a batch lie in parts."""
        if self.mesh is None:
            return totals
        mesh = self.mesh

        def place(leaf: Any, spec: PartitionSpec) -> Array:
            known = np.asarray(leaf)
            return jax.make_array_from_callback(known.shape, NamedSharding(mesh, spec), lambda index: known[index])

        return jax.tree.map(place, totals, places(totals))

    def local(self, tree: Tree) -> Tree:
        """Values of arrays that are the same in all processes, in memory of their own.

        Raises:
            PeerError: another process was lost, or failed, before they were there.
        """
        return jax.tree.map(lambda leaf: np.array(leaf, copy=True), patiently(tree, self._ask))

    def _ask(self) -> None:
        """Raise what the watchdog knows."""
        trouble = None if self.watchdog is None else self.watchdog.notice()
        if trouble is not None:
            raise PeerError(trouble)

    def arrive(self) -> None:
        """Before each exchange: this process has come so far."""
        if self.watchdog is not None:
            self.watchdog.arrive()

    def anybody(self, here: bool) -> bool:
        """Whether it is so in any process."""
        return here if not self.several else bool(self._sum(np.array([here], np.uint8)).any())

    def told(self, value: Any) -> Any:
        """What process 0 says; any value that JSON knows."""
        if not self.several:
            return value
        text = np.frombuffer(json.dumps(value).encode(), np.uint8) if self.leads else np.zeros(0, np.uint8)
        return json.loads(self._shared(text).tobytes())

    def led(self, action: Callable[[], Any]) -> Any:
        """What process 0 comes to, told to all; also its errors.

        Raises:
            RunError: process 0 could not do it.
        """
        if not self.several:
            return action()
        error, outcome = None, {}
        if self.leads:
            try:
                outcome = {"value": action()}
            except Exception as problem:
                error, outcome = problem, {"error": str(problem)}
        outcome = self.told(outcome)
        if error is not None:
            raise error
        if "error" in outcome:
            raise RunError(outcome["error"])
        return outcome["value"]

    def handed(self, tree: Tree) -> Tree:
        """A pytree of process 0, for others that have one of the same kind."""
        if not self.several:
            return tree
        leaves, form = jax.tree.flatten(jax.tree.map(np.asarray, tree))
        flat = np.concatenate([np.zeros(0, np.uint8), *(leaf.ravel().view(np.uint8) for leaf in leaves)])
        found, start, new = self._shared(flat if self.leads else flat[:0]).tobytes(), 0, []
        for leaf in leaves:
            new.append(np.frombuffer(found, leaf.dtype, leaf.size, start).reshape(leaf.shape))
            start += leaf.nbytes
        return jax.tree.unflatten(form, new)

    def agreed(self, values: dict[str, Any]) -> None:
        """Make sure that all processes have the same values.

        Raises:
            ValueError: this one has others than process 0.
        """
        if not self.several:
            return
        said = self.told(values)
        names = [name for name in {**said, **values} if said.get(name) != values.get(name)]
        if names:
            msg = (
                f"process {self.process} was started with another {names[0]} than process 0: {values.get(names[0])!r}, "
                f"there {said.get(names[0])!r}; start all processes with the same network, data, recipe and key."
            )
            raise ValueError(msg)

    def _shared(self, content: UInt8[np.ndarray, " bytes"]) -> UInt8[np.ndarray, " bytes"]:
        """Bytes of process 0."""
        length = np.frombuffer(np.array([len(content) if self.leads else 0], np.int64).tobytes(), np.uint8)
        size = int(np.frombuffer(self._sum(length).tobytes(), np.int64)[0])
        return self._sum(content if self.leads else np.zeros(size, np.uint8))

    def _sum(self, values: UInt8[np.ndarray, " bytes"]) -> UInt8[np.ndarray, " bytes"]:
        """Sums over the processes, of numbers that do not grow beyond a byte."""
        assert self.mesh is not None
        rows = np.zeros((self.mesh.size // self.processes, max(1, len(values))), np.int32)
        rows[0, : len(values)] = values
        self.arrive()
        total: Any = self.local(_sum_over(self.mesh)(self.parted(rows)))
        return total[: len(values)].astype(np.uint8)


@lru_cache
def _sum_over(mesh: Mesh) -> Callable[..., Any]:
    """A program that adds up what the devices have."""
    total = lambda row: jax.lax.psum(row[0], AXIS)
    over = partial(jax.shard_map, mesh=mesh, check_vma=False)
    return jax.jit(over(total, in_specs=PartitionSpec(AXIS), out_specs=PartitionSpec()))


def _leave_at_once() -> None:
    """A process that has lost another one must not wait for it at its end, as `jax.distributed` does."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)

    atexit.register(leave)
