"""DCLS: dilated convolutions with learnable spacings, in PyTorch, feed-forward; a step of 1 ms is a tap."""

import importlib
from collections.abc import Callable

import numpy as np

from ranvier.lab.bench.peers.problem import TAU_MEM, Load, Outcome, Peer, binned, labels, weights


def prepare(load: Load) -> Callable[[], Outcome]:
    """Cross-entropy of rates, leaky integrate-and-fire with a surrogate, the kernel of Gaussians.

    The package has no recurrent layer. The weights are ours, the positions its own.

    Args:
        load: The problem.
    """
    torch = importlib.import_module("torch")
    torch.set_num_threads(load.threads)
    taps, given = int(load.longest), binned(load)
    first, _, last = weights(load)
    make = importlib.import_module("DCLS.construct.modules").Dcls1d
    torch.manual_seed(0)
    layer = make(load.inputs, load.hidden, kernel_count=1, dilated_kernel_size=taps, version="gauss", bias=False)
    out = torch.nn.Linear(load.hidden, last.shape[1], bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(first.T[..., None] * 5.0))  # no synaptic current here: its integral
        out.weight.copy_(torch.as_tensor(last.T.copy()))
    dense = torch.nn.functional.pad(torch.as_tensor(np.moveaxis(given, 0, 2)), (taps - 1, 0))
    label, decay = torch.as_tensor(labels(load)), float(np.exp(-1.0 / TAU_MEM))

    def run() -> Outcome:
        current, u, spikes = (1.0 - decay) * layer(dense), torch.zeros(load.batch, load.hidden), []
        for step in range(len(given)):
            u = decay * u + current[..., step]
            soft = torch.sigmoid(10.0 * (u - 1.0))
            fired = (u > 1.0).float() + soft - soft.detach()
            u, spikes = u * (1.0 - fired.detach()), [*spikes, fired]
        loss = torch.nn.functional.cross_entropy(out(torch.stack(spikes).mean(dim=0)), label)
        for one in (layer, out):
            one.zero_grad()
        loss.backward()
        fired = float(torch.stack(spikes).detach().sum()) / load.batch / load.hidden
        return Outcome(float(loss.detach()), float(layer.weight.grad.abs().max()), fired)

    return run


PEER = Peer("DCLS", "DCLS", "learned", "1 ms grid, feed-forward, surrogate, a tap for each ms of delay", prepare)
