"""Is everybody still there? Processes that train together watch each other.

An exchange between devices waits for all of them: if one process is killed, stopped or stuck, the others may wait
forever. So each process tells process 0 every second how many exchanges it has come to, and process 0 tells all if
something is wrong. The main thread asks while it waits. Where it cannot ask, since it hangs in native code, the process
is ended with the same words.

Nothing here knows JAX: lines of JSON over TCP, one connection from each process to process 0.
"""

import contextlib
import hmac
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

EVERY = 1.0
"""Seconds from one word to the next."""
PAUSE = 2.0
"""Seconds from trouble to the end of waiting: who has failed where all fail shall find that out by itself."""
GRACE = 20.0
"""Seconds that a main thread has to notice trouble by itself."""
CONNECT = 10.0
"""Seconds to connect to process 0 by one of its addresses."""


class PeerError(RuntimeError):
    """Another process of the same training was killed, failed, or hangs; the message says how to go on."""


class _Peer:
    """What is known of another process."""

    def __init__(self, name: str, link: socket.socket | None = None):
        self.name, self.link, self.heard = name, link, time.monotonic()
        self.arrived, self.changed, self.done = 0, self.heard, False

    def report(self, arrived: int) -> None:
        """It lives, and has come so far."""
        self.heard = time.monotonic()
        if arrived != self.arrived:
            self.arrived, self.changed = arrived, self.heard


class Watchdog:
    """One process's view of the others. Process 0 has one made by `open`, the others by `join`.

    Args:
        process: Number of this process.
        silence: Seconds without a word after which a process counts as lost.
        patience: Seconds that others may wait for a process to come to the next exchange.
        advice: What to tell if this process has to be ended, beside what happened.

    Example:
        >>> from ranvier.train.watchdog import Watchdog, addresses
        >>> first = Watchdog.open(silence=30.0, patience=600.0)
        >>> second = Watchdog.join(1, addresses(), first.port, first.token, silence=30.0, patience=600.0)
        >>> second.leave()
        >>> first.leave()
        >>> first.trouble is None
        True
    """

    def __init__(self, process: int, silence: float, patience: float, advice: Callable[[], str]):
        self.process, self.silence, self.patience, self.advice = process, silence, patience, advice
        self.trouble: str | None = None
        self.troubled = 0.0
        self.peers: dict[int, _Peer] = {}
        self.left, self.noticed = threading.Event(), threading.Event()
        self.own = _Peer(f"process {process}")
        self.furthest, self.since = 0, time.monotonic()
        self.server: socket.socket | None = None
        self.port, self.token = 0, ""

    @classmethod
    def open(
        cls, *, silence: float, patience: float, advice: Callable[[], str] = lambda: "", process: int = 0
    ) -> "Watchdog":
        """That of process 0, to which the others connect."""
        dog = cls(process, silence, patience, advice)
        dog.server = socket.create_server(("", 0), backlog=64)
        dog.port, dog.token = dog.server.getsockname()[1], os.urandom(16).hex()
        dog._start(dog._accept, dog._tick)
        return dog

    @classmethod
    def join(
        cls,
        process: int,
        hosts: Sequence[str],
        port: int,
        token: str,
        *,
        silence: float,
        patience: float,
        advice: Callable[[], str] = lambda: "",
    ) -> "Watchdog":
        """That of another process.

        Args:
            process: Its number.
            hosts: Addresses of process 0, of which one must do.
            port: Where process 0 listens.
            token: What process 0 knows its own by.
            silence: As for the class.
            patience: As for the class.
            advice: As for the class.

        Raises:
            PeerError: process 0 cannot be reached.
        """
        dog = cls(process, silence, patience, advice)
        peer = _Peer("process 0", _connect(hosts, port))
        dog.peers[0] = peer
        dog._tell(peer, hello=process, host=socket.gethostname(), token=token)
        dog._start(lambda: dog._read(peer), dog._tick)
        return dog

    def arrive(self) -> None:
        """This process has come to the next exchange."""
        self.own.report(self.own.arrived + 1)

    def leave(self, failure: str | None = None) -> None:
        """Nothing more to watch: this process is done, or has failed and says of what."""
        self.left.set()
        for peer in list(self.peers.values()):
            self._tell(peer, **({"bye": True} if failure is None else {"failed": failure}))
            if peer.link is not None:
                with contextlib.suppress(OSError):
                    peer.link.shutdown(socket.SHUT_WR)
        if self.server is not None:
            with contextlib.suppress(OSError):
                self.server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self.server.close()

    def notice(self) -> str | None:
        """What is wrong, if anything is; whoever asks ends this process in good order."""
        if self.trouble is None or time.monotonic() - self.troubled < PAUSE:
            return None
        self.noticed.set()
        return self.trouble

    def _start(self, *loops: Callable[[], None]) -> None:
        for loop in loops:
            threading.Thread(target=loop, daemon=True).start()

    def _accept(self) -> None:
        """Take in the other processes."""
        assert self.server is not None
        while not self.left.is_set():
            try:
                link, _ = self.server.accept()
            except OSError:  # closed
                return
            self._start(lambda link=link: self._welcome(link))

    def _welcome(self, link: socket.socket) -> None:
        """Read who it is, then all it says."""
        link.settimeout(self.silence)
        number, host = 0, ""
        try:
            with link.makefile("rb") as words:
                said = json.loads(words.readline(4096))
            number, host = int(said["hello"]), str(said["host"])
            known = hmac.compare_digest(str(said["token"]), self.token)
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            link.close()
            return
        link.settimeout(None)
        self.peers[number] = peer = _Peer(f"process {number} on {host}", link)
        self._read(peer)

    def _read(self, peer: _Peer) -> None:
        """Take down what a process says until it goes."""
        assert peer.link is not None
        with contextlib.suppress(OSError, ValueError), peer.link, peer.link.makefile("rb") as words:
            for line in words:
                said = json.loads(line)
                peer.report(said.get("arrived", peer.arrived))
                if "bye" in said:
                    peer.done = True
                if "failed" in said:
                    peer.done = True
                    self._alarm(f"{peer.name} failed: {said['failed']}")
                if "trouble" in said:
                    self._alarm(said["trouble"])
        if not peer.done:
            self._alarm(f"{peer.name} has gone without a word: it was killed, perhaps for want of memory")

    def _tick(self) -> None:
        """Say that this process is there, and look whether the others are."""
        while not self.left.wait(EVERY):
            for peer in list(self.peers.values()):
                self._tell(peer, arrived=self.own.arrived)
            self._look()
            if self.trouble is not None and not self.noticed.wait(GRACE) and not self.left.is_set():
                sys.stderr.write(f"ranvier: {self.trouble}. {self.advice()}\n")
                sys.stderr.flush()
                os._exit(1)

    def _look(self) -> None:
        """Find out who is silent, or holds up the others."""
        now, peers = time.monotonic(), [peer for peer in list(self.peers.values()) if not peer.done]
        for peer in peers:
            if now - peer.heard > self.silence:
                why = "its machine or the network may be down, or the process is stopped"
                self._alarm(f"nothing was heard of {peer.name} for {self.silence:g} s: {why}")
        if self.server is None:
            return
        everybody = [self.own, *peers]
        furthest = max(peer.arrived for peer in everybody)
        if furthest > self.furthest:
            self.furthest, self.since = furthest, now
        for peer in everybody:
            if peer.arrived < furthest and now - max(self.since, peer.changed) > self.patience:
                self._alarm(f"{peer.name} hangs: the others have waited for it for {self.patience:g} s")

    def _alarm(self, text: str) -> None:
        """Something is wrong; the first time it is told to everybody."""
        if self.trouble is not None or self.left.is_set():
            return
        self.troubled, self.trouble = time.monotonic(), text
        if self.server is not None:
            for peer in list(self.peers.values()):
                self._tell(peer, trouble=text)

    def _tell(self, peer: _Peer, **said: Any) -> None:
        with contextlib.suppress(OSError):  # whoever reads from it finds out
            assert peer.link is not None
            peer.link.sendall(json.dumps(said).encode() + b"\n")


def addresses() -> list[str]:
    """Under which addresses others may reach this machine, itself included."""
    found = ["127.0.0.1", socket.gethostname(), socket.getfqdn()]
    with contextlib.suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: it tells the address that leads out
        found.append(str(probe.getsockname()[0]))
    return list(dict.fromkeys(found))


def _connect(hosts: Sequence[str], port: int) -> socket.socket:
    """A connection by the first address that answers; its own one only on the same machine."""
    same = socket.gethostname() in hosts
    for host in [host for host in hosts if same or not host.startswith(("127.", "localhost"))]:
        try:
            link = socket.create_connection((host, port), CONNECT)
        except OSError:
            continue
        link.settimeout(None)
        return link
    msg = (
        f"process 0 does not answer at port {port} of {', '.join(hosts)}; processes that train together must "
        "reach each other by TCP on any port: is there a firewall between the machines?"
    )
    raise PeerError(msg)
