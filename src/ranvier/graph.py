"""The graph of a network: in which order its populations run, and how short the delays around its cycles are."""

import math

from ranvier.network import Network


def running_order(network: Network, window: float) -> list[str]:
    """Populations of neurons, ordered so that whatever can arrive within `window` ms comes from earlier ones."""
    left = list(network.neurons)
    order: list[str] = []
    while left:
        blocked = {link.post for link in network.connections if link.delay.low < window and link.pre in left}
        ready = [name for name in left if name not in blocked]
        order += ready
        left = [name for name in left if name not in ready]
    return order


def cycle_limit(network: Network) -> tuple[float, list[str]]:
    """Smallest delay bound that closes a cycle when connections are added from the shortest up, and that cycle."""
    added: list[tuple[str, str, str]] = []
    for link in sorted(network.connections, key=lambda link: link.delay.low):
        path = _path(added, link.post, link.pre)
        if path is not None:
            return link.delay.low, [*path, link.name]
        added.append((link.pre, link.post, link.name))
    return math.inf, []


def _path(edges: list[tuple[str, str, str]], start: str, goal: str) -> list[str] | None:
    """Names of the connections on a way from `start` to `goal`, or None."""
    ways: dict[str, list[str]] = {start: []}
    front = [start]
    while front:
        here = front.pop()
        if here == goal:
            return ways[here]
        for pre, post, name in edges:
            if pre == here and post not in ways:
                ways[post] = [*ways[here], name]
                front.append(post)
    return None
