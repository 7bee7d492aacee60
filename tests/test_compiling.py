"""Programs that are compiled quickly, and arrays that are packed for them, give what they would give otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import _compiling
from ranvier._compiling import options
from ranvier._packing import LARGEST, Packing


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch):
    """`x^2`, compiled with an option of XLA where that is allowed."""
    monkeypatch.setitem(_compiling.QUICKLY, "xla_backend_optimization_level", 1)
    return _compiling.quickly(lambda x: x**2)


def test_an_option_that_xla_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch):
    """Releases of XLA drop options; a program must not fail for that."""
    monkeypatch.setitem(_compiling.QUICKLY, "xla_cpu_no_such_option", True)
    monkeypatch.setitem(_compiling.QUICKLY, "xla_backend_optimization_level", 1)
    assert options(_compiling.QUICKLY) == {"xla_backend_optimization_level": 1}
    np.testing.assert_allclose(_compiling.quickly(lambda x: x**2)(X), X**2)


X = jnp.arange(3.0)
WAYS = {
    "alone": (lambda f: f(X), X**2),
    "jit": (lambda f: jax.jit(f)(X), X**2),
    "jit of a constant": (lambda f: jax.jit(lambda: f(X))(), X**2),
    "vmap": (lambda f: jax.vmap(f)(X), X**2),
    "scan": (lambda f: jax.lax.scan(lambda carry, x: (carry, f(x)), 0.0, X)[1], X**2),
    "scan of a constant": (lambda f: jax.lax.scan(lambda carry, _: (carry, f(X)), 0.0, X)[1][2], X**2),
    "grad": (lambda f: jax.grad(lambda x: f(x).sum())(X), 2 * X),
    "hessian": (lambda f: jax.hessian(lambda x: f(x).sum())(X), 2 * jnp.eye(3)),
    "a pullback of jax.vjp inside jit": (lambda f: jax.jit(jax.vjp(f, X)[1])(jnp.ones(3))[0], 2 * X),
    "a tangent map of jax.linearize inside jit": (lambda f: jax.jit(jax.linearize(f, X)[1])(jnp.ones(3)), 2 * X),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_quickly_compiled_function_works_in_every_transformation(way: str, square):
    run, expected = WAYS[way]
    np.testing.assert_allclose(run(square), expected)


def test_options_are_for_the_programs_of_fit_with_clock_driven_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(_compiling.QUICKLY, "xla_backend_optimization_level", 1)
    chosen = {}
    for simulator in (rv.ClockDriven(), rv.EventDriven(), rv.FirstSpike(), rv.Surrogate()):
        recipe = rv.Recipe(
            simulator,
            t_end=1.0,
            readout=rv.readouts.FirstSpike("output"),
            loss=rv.losses.squared_error,
            optimiser=rv.train.adam(0.1),
            epochs=1,
        )
        chosen[type(simulator).__name__] = tuple(options(recipe.simulator.compiler_options).items())
    assert chosen.pop("ClockDriven") == (("xla_backend_optimization_level", 1),)
    assert set(chosen.values()) == {()}


def test_packed_and_unpacked_is_the_same():
    """Of all types, with a leaf too large to share an array, alone and with axes in front."""
    tree = {
        "a": jnp.arange(6.0).reshape(2, 3),
        "b": [jnp.array([True, False]), jnp.arange(4, dtype=jnp.int32)],
        "c": jnp.float32(3.5),
        "d": (jnp.ones(5), None, jnp.zeros((0, 2))),
        "e": jnp.ones(LARGEST + 1),
    }
    packing = Packing.like(tree)
    packed = packing.pack(tree)
    assert [(leaf.shape, str(leaf.dtype)) for leaf in packed[:2]] == [((11,), "float64"), ((6,), "int32")]
    assert len(packed) == 5  # two shared arrays, and float32, empty and large
    again = packing.unpack(packed)
    stacked = packing.unpack([jnp.stack([leaf, leaf]) for leaf in packed])
    for one, other, two in zip(*map(jax.tree.leaves, (tree, again, stacked)), strict=True):
        assert one.dtype == other.dtype == two.dtype
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(jnp.stack([one, one]), two)
    assert jax.tree.structure(again) == jax.tree.structure(tree)
