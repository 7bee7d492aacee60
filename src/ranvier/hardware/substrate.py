"""What learning in the loop asks of a substrate: settings and input spikes in, measured spikes out.

A driver for a real chip is a class of this kind. It must provide

* `written(network)`: the network as it is written into the chip, with ideal constants and straight-through derivatives
  (`ranvier.hardware.written` does it for BrainScaleS-2), after refusing what does not fit;
* `measure(network, inputs, t_end, key=...)`: write these settings, play the inputs of each sample, and read the spikes:
  of each delay element of the connections that have some, and the first of each neuron, `inf` where there is none, all
  in the network's time and with the same origin as the inputs. `weight_codes` and `delay_codes` are the
  integers to write. A chip outside of JAX is reached by `jax.experimental.io_callback(..., ordered=True)` or, where a
  repeated or left out run does no harm, `jax.pure_callback`. Nothing it gives is differentiated.
"""

import abc

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier.network import Network


class Measured(eqx.Module):
    """Spike times that were read, `inf` where there is no spike.

    Args:
        first: First spikes (ms) of each population of neurons, shape (batch, size).
        arrival: For each connection, in the network's order, when the spike of each sender leaves its delay element
            (ms), shape (batch, pre). Without delay elements, when the sender spiked.
    """

    first: dict[str, Float[Array, "batch _"]]
    arrival: tuple[Float[Array, "batch _"], ...]


class AbstractSubstrate(eqx.Module):
    """Something that runs networks and says when they spiked."""

    @abc.abstractmethod
    def written(self, network: Network) -> Network:
        """The network as it is written into the substrate, with ideal constants and straight-through derivatives."""

    @abc.abstractmethod
    def measure(
        self, network: Network, inputs: dict[str, Float[Array, "batch _"]], t_end: float, *, key: PRNGKeyArray
    ) -> Measured:
        """Run a batch from 0 to `t_end` ms.

        Args:
            network: What to run, before rounding.
            inputs: Spike time (ms) of each unit of each input population, `inf` for none.
            t_end: End (ms); later spikes do not count.
            key: Decides whatever noise is made rather than met.
        """
