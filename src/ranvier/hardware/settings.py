"""From a network to the settings of a chip, and to the network that those settings mean.

Rounding is a step function; its derivative here is that of the number that was rounded ("straight-through"): 1, also
where a weight is saturated, so that a weight that learning has pushed past the limit can find back.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ranvier.connections import Connection
from ranvier.delays import FixedDelay
from ranvier.dense import dense
from ranvier.hardware.brainscales import BrainScaleS2
from ranvier.hardware.placement import check_fits, has_elements
from ranvier.network import Network
from ranvier.neurons import linear


def written(network: Network, chip: BrainScaleS2) -> Network:
    """The network as it is written into a chip: weights and delays rounded and saturated, constants still ideal.

    `w -> limit / largest * round(clip(w / limit, -1, 1) * largest)`, the limit in units of the receiver's threshold;
    `d -> low + step round((clip(d, low, high) - low) / step)`. This needs nothing that is not known of every chip, so
    it is what gradients may be evaluated with. Derivatives are straight-through.

    Args:
        network: One hidden layer at most, LIF with tau_mem = tau_syn, delays axonal or none.
        chip: The chip; its frozen pattern is not used.

    Returns:
        A network with the same weights and delays as settings. Its delays are `FixedDelay`.

    Raises:
        ValueError: the network does not fit on the chip.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, written
        >>> neuron = rv.LIF(6.0, 6.0, v_threshold=2.6, refractory=jnp.inf)
        >>> net = rv.feedforward([2, 1], neuron=neuron, weight=rv.initializers.constant(0.31), key=jax.random.key(0))
        >>> [round(float(w), 4) for w in written(net, BrainScaleS2()).connections[0].weight[:, 0]]
        [0.3, 0.3]
    """
    check_fits(network, chip)
    ratio = time_scale(network, chip)
    links = []
    for link, matrix in zip(network.connections, dense(network), strict=True):
        weight = _straight_through(matrix.weight, _rounded_weight(matrix.weight, theta(network, link.post), chip))
        delay = matrix.delay
        if has_elements(link):
            delay = _straight_through(delay, _rounded_delay(delay / ratio, chip) * ratio)
        values = link.pattern.take(weight)
        links.append(Connection(link.pre, link.post, values, FixedDelay(delay), link.pattern, name=link.name))
    return Network(network.populations, links)


def weight_codes(network: Network, chip: BrainScaleS2) -> list[Int[Array, "pre post"]]:
    """The signed integers that a driver writes into the synapses of each connection, 0 where there is none.

    Rounded as numbers first and cast then: a cast alone would truncate, and some codes would never be used.

    Args:
        network: The network.
        chip: The chip, with `weight_bits`.

    Raises:
        ValueError: the network does not fit on the chip, or its weights have no steps.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, weight_codes
        >>> neuron = rv.LIF(6.0, 6.0, v_threshold=2.6, refractory=jnp.inf)
        >>> net = rv.feedforward([1, 1], neuron=neuron, weight=rv.initializers.constant(-9.0), key=jax.random.key(0))
        >>> weight_codes(net, BrainScaleS2())[0].tolist()
        [[-63]]
    """
    check_fits(network, chip)
    if chip.largest_code is None:
        msg = "weight_codes: this chip has `weight_bits` None, so its weights have no codes; give it bits."
        raise ValueError(msg)
    links = dense(network)
    shares = [link.weight / _limit(theta(network, link.post), link.weight, chip) for link in links]
    return [_code(share, chip.largest_code).astype(jnp.int32) for share in shares]


def delay_codes(network: Network, chip: BrainScaleS2) -> list[Int[Array, " pre"] | None]:
    """The refractory counters of the delay elements of each connection, None for those without.

    Args:
        network: The network.
        chip: The chip, with a `delay_step`.

    Raises:
        ValueError: the network does not fit on the chip, or its delays have no steps.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, delay_codes
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> kind = rv.axonal(12.0, 21.0, init=12.3)
        >>> net = rv.feedforward([1, 1], neuron=neuron, delay=kind, key=jax.random.key(0))
        >>> delay_codes(net, BrainScaleS2())[0].tolist()
        [82]
    """
    check_fits(network, chip)
    if chip.delay_step == 0:
        msg = "delay_codes: this chip has `delay_step` 0, so its delays have no codes; give it a step."
        raise ValueError(msg)
    ratio, first = time_scale(network, chip), chip.delay_codes[0]
    steps = lambda link: (_rounded_delay(link.delay / ratio, chip) - chip.delay_low) / chip.delay_step
    codes = lambda link: jnp.broadcast_to(first + jnp.rint(steps(link)[:, 0]).astype(jnp.int32), link.weight.shape[:1])
    links = zip(network.connections, dense(network), strict=True)
    return [codes(matrix) if has_elements(link) else None for link, matrix in links]


def time_scale(network: Network, chip: BrainScaleS2) -> Float[Array, ""]:
    """A microsecond of the chip in the network's time (ms)."""
    first = linear(next(iter(network.neurons.values())), "BrainScaleS2", "Use LIF.")
    return jnp.ravel(first.tau_mem)[0] / chip.tau


def theta(network: Network, population: str) -> Float[Array, "*#size"]:
    """Threshold of a population above rest."""
    neuron = linear(network.neurons[population], "BrainScaleS2", "Use LIF.")
    return neuron.v_threshold - neuron.v_leak


def _rounded_weight(
    weight: Float[Array, "pre post"], theta: Float[Array, "*#post"], chip: BrainScaleS2
) -> Float[Array, "pre post"]:
    if np.isinf(chip.weight_limit):
        return weight
    limit = _limit(theta, weight, chip)
    if chip.largest_code is None:
        return jnp.clip(weight, -limit, limit)
    return _code(weight / limit, chip.largest_code) * (limit / chip.largest_code)


def _limit(
    theta: Float[Array, "*#post"], weight: Float[Array, "pre post"], chip: BrainScaleS2
) -> Float[Array, "1 post"]:
    """Largest weight onto each receiver."""
    return jnp.broadcast_to(theta * chip.weight_limit, (1, weight.shape[1]))


def _code(share: Float[Array, "pre post"], largest: int) -> Float[Array, "pre post"]:
    """Signed code, a whole number still held as a float."""
    return jnp.clip(jnp.rint(share * largest), -largest, largest)


def _rounded_delay(delay: Float[Array, "#pre #post"], chip: BrainScaleS2) -> Float[Array, "#pre #post"]:
    """Delay (us) that an element can have, next to the one that is wanted (us)."""
    delay = jnp.clip(delay, chip.delay_low, chip.delay_high)
    if chip.delay_step == 0:
        return delay
    return chip.delay_low + chip.delay_step * jnp.rint((delay - chip.delay_low) / chip.delay_step)


def _straight_through(number: Float[Array, "*shape"], rounded: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The value of `rounded`, to the last bit, with the derivative of `number`."""
    return lax.stop_gradient(rounded) + (number - lax.stop_gradient(number))
