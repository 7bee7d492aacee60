"""Losses: values by hand, gradients by finite differences, silent outputs on their own, and bad labels."""

import inspect
from collections.abc import Callable
from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier import losses, readouts

INF = np.inf
relative = partial(losses.relative_time_mse, margin=0.2)
entropy = partial(losses.first_spike_cross_entropy, tau=0.5)
early = partial(losses.first_spike_cross_entropy, tau=0.5, early_strength=0.3, early_tau=1.5)
ALL = {"relative": relative, "entropy": entropy, "early": early}
every_loss = pytest.mark.parametrize("loss", ALL.values(), ids=ALL.keys())

FIRST = np.array([[1.0, 1.7, 0.9], [INF, 2.0, 2.6], [1.2, INF, 1.1], [INF, 1.0, INF], [INF, INF, INF]])
LABEL = np.array([2, 1, 1, 1, 0])
"""All kinds of sample: all fire; another output, the label, all others, everybody silent."""


def draw_sample(data: st.DataObject) -> tuple[np.ndarray, int]:
    times = st.one_of(st.floats(0, 20), st.just(INF))
    size = data.draw(st.sampled_from([2, 5]), label="size")  # few shapes: JAX compiles for each
    first = np.array(data.draw(st.lists(times, min_size=size, max_size=size), label="first"))
    return first, data.draw(st.integers(0, len(first) - 1), label="label")


def by_loops(first: np.ndarray, label: np.ndarray, sample: Callable) -> float:
    """Mean over the batch of a loss written for one sample in plain NumPy; 100 where the label is silent."""
    values = [
        sample(row[np.isfinite(row)], row[y]) if np.isfinite(row[y]) else 100.0
        for row, y in zip(first, label, strict=True)
    ]
    return float(np.mean(values))


def test_relative_time_mse_by_hand():
    """Differences 0.1 and 0.8 behind the label at 0.9, wanted 0.2: ((-0.1)^2 + 0.6^2) / 2."""
    assert float(relative(jnp.array(FIRST[0]), 2)) == pytest.approx(0.185, rel=1e-14)
    assert float(relative(jnp.array(FIRST[1]), 1)) == pytest.approx(0.4**2 / 2, rel=1e-14)
    wanted = by_loops(FIRST, LABEL, lambda t, own: 0.5 * (np.sum((t - own - 0.2) ** 2) - 0.2**2))
    assert float(relative(jnp.array(FIRST), LABEL)) == pytest.approx(wanted, rel=1e-14)


def test_relative_time_mse_is_zero_at_its_target():
    assert float(relative(jnp.array([5.2, 5.0, 5.2, INF]), 1)) == pytest.approx(0.0, abs=1e-28)


def test_cross_entropy_by_hand():
    """Outputs that fire together: ln 3. Alone: 0. In general the softmax, written with plain exponentials."""
    assert float(entropy(jnp.array([2.0, 2.0, 2.0]), 0)) == pytest.approx(np.log(3), rel=1e-14)
    assert float(entropy(jnp.array([INF, 2.0, INF]), 1)) == 0.0
    plain = by_loops(FIRST, LABEL, lambda t, own: np.log(np.sum(np.exp(-(t - own) / 0.5))))
    assert float(entropy(jnp.array(FIRST), LABEL)) == pytest.approx(plain, rel=1e-14)
    push = by_loops(FIRST, LABEL, lambda t, own: np.log(np.sum(np.exp(-(t - own) / 0.5))) + 0.3 * np.exp(own / 1.5))
    assert float(early(jnp.array(FIRST), LABEL)) == pytest.approx(push, rel=1e-14)


def test_early_tau_is_five_tau_unless_given():
    first = jnp.array([1.0, 2.0])
    given = losses.first_spike_cross_entropy(first, 0, tau=0.2, early_strength=0.5, early_tau=1.0)
    assert losses.first_spike_cross_entropy(first, 0, tau=0.2, early_strength=0.5) == given


@every_loss
def test_gradient_equals_central_differences(loss: Callable):
    gradient = np.asarray(jax.grad(loss)(jnp.array(FIRST), LABEL))
    step = 1e-5
    for at in np.ndindex(FIRST.shape):
        moved = [FIRST.copy(), FIRST.copy()]
        moved[0][at] += step
        moved[1][at] -= step
        difference = float(loss(jnp.array(moved[0]), LABEL) - loss(jnp.array(moved[1]), LABEL)) / (2 * step)
        assert gradient[at] == pytest.approx(difference, abs=1e-8), at


@every_loss
def test_silent_outputs_have_no_gradient_and_a_silent_label_silences_its_sample(loss: Callable):
    gradient = np.asarray(jax.grad(loss)(jnp.array(FIRST), LABEL))
    assert (gradient[~np.isfinite(FIRST)] == 0).all()
    assert (gradient[[2, 4]] == 0).all()
    assert (gradient[0] != 0).all()
    assert (gradient[1, 1:] != 0).all(), "the outputs that fired must still learn"


@every_loss
def test_a_silent_output_costs_what_a_network_without_it_would(loss: Callable):
    assert loss(jnp.array([1.0, INF, 1.3]), 2) == loss(jnp.array([1.0, 1.3]), 1)


@every_loss
def test_a_silent_label_costs_the_constant(loss: Callable):
    for first in ([INF, 1.0], [INF, INF]):
        assert float(loss(jnp.array(first), 0)) == 100.0
        assert float(loss(jnp.array(first), 0, silent=7.5)) == 7.5


@every_loss
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize(
    "first", [[0.0, 1e12, 1e5], [1e6, 0.0, 1e12], [1e6, 0.0, 1e5], [1e6, INF, 1e6], [INF, 0.0, INF]]
)
def test_never_nan_or_infinite(loss: Callable, dtype: jnp.dtype, first: list[float]):
    """Times far beyond what any exponential of them could hold."""
    for label in range(len(first)):
        value, gradient = jax.value_and_grad(loss)(jnp.array(first, dtype), label)
        assert value.dtype == gradient.dtype == dtype
        assert jnp.isfinite(value)
        assert jnp.isfinite(gradient).all()


@every_loss
def test_nan_times_are_not_taken_for_silence(loss: Callable):
    assert jnp.isnan(loss(jnp.array([1.0, jnp.nan, 2.0]), 0))
    assert readouts.earliest(jnp.array([1.0, jnp.nan, 2.0])) == -1


@pytest.mark.parametrize("loss", [relative, entropy])
@hypothesis.given(data=st.data(), shift=st.floats(-5, 5))
def test_shifting_all_times_changes_nothing(loss: Callable, data: st.DataObject, shift: float):
    first, label = draw_sample(data)
    value, gradient = jax.value_and_grad(loss)(jnp.array(first), label)
    moved, moved_gradient = jax.value_and_grad(loss)(jnp.array(first + shift), label)
    np.testing.assert_allclose(moved, value, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(moved_gradient, gradient, rtol=1e-10, atol=1e-11)
    assert float(jnp.sum(gradient)) == pytest.approx(0.0, abs=1e-9)


@every_loss
@hypothesis.given(data=st.data())
def test_permuting_outputs_changes_nothing(loss: Callable, data: st.DataObject):
    first, label = draw_sample(data)
    order = np.array(data.draw(st.permutations(range(len(first)))))
    place = int(np.flatnonzero(order == label)[0])
    permuted = loss(jnp.array(first[order]), place)
    np.testing.assert_allclose(permuted, loss(jnp.array(first), label), rtol=1e-12, atol=1e-14)
    moved, answer = readouts.earliest(jnp.array(first[order])), readouts.earliest(jnp.array(first))
    assert (moved == place) == (answer == label)


@every_loss
def test_batch_vmap_and_jit_agree(loss: Callable):
    first, label = jnp.array(FIRST), jnp.array(LABEL)
    mean, gradient = jax.value_and_grad(loss)(first, label)
    one_by_one = jax.vmap(loss)(first, label)
    np.testing.assert_allclose(jnp.mean(one_by_one), mean, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(loss)(first, label), mean, rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(jax.grad(loss))(first, label) / len(LABEL), gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(loss(first[None], label[None]), mean, rtol=1e-14)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64])
def test_labels_of_any_integer_type(kind: type):
    first = jnp.arange(300.0, 0.0, -1.0).at[43].set(0.0)
    value = relative(first[-100:], kind(99))
    assert value == relative(first[-100:], 99)
    assert relative(first, kind(43)) == relative(first, 43), "300 outputs: 43 + 256 must not be taken for 43"


FUNCTIONS = {**ALL, "values": partial(losses.cross_entropy, scale=2.0)}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


@every_function
def test_labels_out_of_range(function: Callable):
    with pytest.raises(ValueError, match=r"`label` must be in 0\.\.2 for 3 outputs; got \[-1, 3\] in 2 samples"):
        function(jnp.ones((4, 3)), np.array([3, 0, -1, 2]))


@every_loss
@pytest.mark.parametrize("label", [-1, 3])
def test_traced_labels_out_of_range_give_nan(loss: Callable, label: int):
    assert jnp.isnan(jax.jit(loss)(jnp.ones(3), label))


@pytest.mark.parametrize("label", [np.array([0, 1, 2]), np.array([0.0, 1.0]), np.array(1)])
def test_labels_of_another_shape_or_type(label: np.ndarray):
    """Without the shape checks of the tests, which refuse these labels first."""
    with pytest.raises(ValueError, match=r"`label` must hold integer classes, one per sample, of shape \(2,\)"):
        inspect.unwrap(losses.cross_entropy)(jnp.ones((2, 3)), label)


@pytest.mark.parametrize(
    ("loss", "name", "wrong"),
    [
        (relative, "margin", 0.0),
        (relative, "margin", INF),
        (relative, "silent", -1.0),
        (entropy, "tau", -0.5),
        (entropy, "early_strength", -1.0),
        (entropy, "early_tau", 0.0),
        (entropy, "silent", INF),
    ],
)
def test_numbers_out_of_range(loss: Callable, name: str, wrong: float):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*; got {wrong}"):
        loss(jnp.ones(3), 0, **{name: wrong})


def test_cross_entropy_by_hand_and_of_the_maximum_over_time():
    voltage = jnp.array([[[0.0, 0.2, 0.1], [0.7, -0.3, 0.4]], [[0.0, 0.0, 0.9], [0.1, 0.3, 0.0]]])
    highest = np.array([[0.7, 0.2, 0.4], [0.1, 0.3, 0.9]])
    label = np.array([2, 1])
    loss = lambda voltage: losses.cross_entropy(voltage.max(axis=1), label, scale=3.0)
    wanted = np.mean(np.log(np.exp(3 * highest).sum(axis=1)) - 3 * highest[[0, 1], label])
    assert float(loss(voltage)) == pytest.approx(wanted, rel=1e-14)
    gradient = jax.grad(loss)(voltage)
    share = np.exp(3 * highest) / np.exp(3 * highest).sum(axis=1, keepdims=True) - np.eye(3)[label]
    np.testing.assert_allclose(gradient.sum(axis=1), 1.5 * share, rtol=1e-12)  # each at the time of its maximum, only
    assert (np.count_nonzero(gradient, axis=1) == 1).all()
    with pytest.raises(ValueError, match="`scale` must be a finite number above 0; got 0"):
        losses.cross_entropy(voltage[:, 0], label, scale=0.0)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (4, 5, 3)])
def test_squared_error_is_the_mean_over_everything(shape: tuple[int, ...]):
    value, target = np.random.RandomState(0).rand(2, *shape)
    assert float(losses.squared_error(jnp.array(value), target)) == pytest.approx(np.mean((value - target) ** 2))
    gradient = jax.grad(losses.squared_error)(jnp.array(value), target)
    np.testing.assert_allclose(gradient, 2 * (value - target) / value.size, rtol=1e-12)
    with pytest.raises(ValueError, match=r"`target` must have the shape of `value`, .*; got \(2,\)"):
        inspect.unwrap(losses.squared_error)(jnp.array(value), np.zeros(2))


# Focus and every step ------------------------------------------------------------------------------------------------


def test_a_focused_cross_entropy_by_hand():
    value, label = jnp.array([[2.0, 0.0], [0.0, 1.0]]), jnp.array([0, 0])
    right = np.exp([2.0, 0.0]) / (np.exp([2.0, 0.0]) + np.exp([0.0, 1.0]))
    wanted = np.mean((1 - right) ** 1.5 * -np.log(right))
    assert float(losses.cross_entropy(value, label, focus=1.5)) == pytest.approx(wanted, rel=1e-12)
    plain = losses.cross_entropy(value, label)
    assert float(losses.cross_entropy(value, label, focus=0.0)) == float(plain)


@pytest.mark.parametrize("focus", [0.0, 0.5, 2.0])
def test_the_gradient_of_a_focused_cross_entropy(focus: float):
    value, label, step = jnp.array([0.3, -0.2, 0.9]), jnp.array(2), 1e-6
    loss = lambda value: losses.cross_entropy(value, label, scale=3.0, focus=focus)
    found = jax.grad(loss)(value)
    for at in range(3):
        wanted = (loss(value.at[at].add(step)) - loss(value.at[at].add(-step))) / (2 * step)
        assert float(found[at]) == pytest.approx(float(wanted), rel=1e-7)
    sure = jax.grad(loss)(jnp.array([-500.0, -500.0, 500.0]))
    assert jnp.isfinite(sure).all(), "also where p is 1"


def test_every_step_is_the_mean_over_the_times():
    value = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6, 3)))
    label = jnp.array([0, 2, 1, 1])
    each = [losses.cross_entropy(value[:, step], label, scale=2.0, focus=1.0) for step in range(6)]
    found = losses.every_step_cross_entropy(value, label, scale=2.0, focus=1.0)
    assert float(found) == pytest.approx(float(np.mean(each)), rel=1e-12)
    one = losses.every_step_cross_entropy(value[0], jnp.array(0), scale=2.0)
    assert float(one) == pytest.approx(
        float(np.mean([losses.cross_entropy(row, jnp.array(0), scale=2.0) for row in value[0]]))
    )
    with pytest.raises(ValueError, match="every_step_cross_entropy: `label` must hold integer classes"):
        inspect.unwrap(losses.every_step_cross_entropy)(value, label[:3])
    with pytest.raises(ValueError, match="`focus` must be a finite number >= 0; got -1"):
        losses.cross_entropy(value[:, 0], label, focus=-1.0)
