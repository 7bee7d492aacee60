"""Other libraries that take the gradient of the same network, and ours: the rows of `ranvier bench scaling`.

One file for each. Its `PEER` tells what it computes; its package is imported when it is asked for, and none is a
dependency of ranvier.
"""

from ranvier.lab.bench.peers import adseq, dcls, event_driven, eventax, jaxpike, jaxsnn, spyx
from ranvier.lab.bench.peers.problem import Load as Load
from ranvier.lab.bench.peers.problem import Outcome as Outcome
from ranvier.lab.bench.peers.problem import Peer as Peer

__all__ = ["PEERS", "Load", "Outcome", "Peer"]

PEERS = {module.PEER.name: module.PEER for module in (event_driven, dcls, spyx, jaxpike, adseq, eventax, jaxsnn)}
"""What is compared, by name, ours first."""
