"""A function of arrays with a derivative rule of its own that every transformation of JAX keeps.

`jax.custom_jvp` does nearly the same, but reverse mode through `lax.scan` drops its rule once it is applied, so that a
second derivative would be that of the function's own code. A primitive keeps its rule.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Rule = Callable[[Any, Any, Any], Any]
Shapes = tuple[jax.ShapeDtypeStruct, ...]


def ruled(function: Callable[..., Any], rule: Rule, *args: Any) -> Any:
    """`function(*args)`, differentiated by `rule` alone, in every mode and to every order that the rule allows.

    Args:
        function: From pytrees of arrays to a pytree of arrays; it must not refer to other traced arrays.
        rule: `(args, out, tangents) -> tangent of out`, linear in the tangents. What it makes of `args` and `out` is
            differentiated for higher orders. Tangents are pytrees like `args` with `SymbolicZero` for what does not
            move; so may the result be, and it must be for integers. It must not refer to other traced arrays either.
        *args: Arguments.

    Returns:
        What the function gives.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> root = lambda a: ruled(jnp.sqrt, lambda args, out, tangents: 0.5 * tangents[0] / out, a)
        >>> float(jax.grad(jax.grad(root))(4.0))
        -0.03125
    """
    leaves, structure = jax.tree.flatten(args)
    shapes, out = jax.tree.flatten(jax.eval_shape(function, *args))
    flat = lambda *leaves: jax.tree.leaves(function(*jax.tree.unflatten(structure, leaves)))

    def flat_rule(primals: list[Any], values: list[Any], tangents: list[Any]) -> list[Any]:
        tree = lambda leaves: jax.tree.unflatten(structure, leaves)
        moved = rule(tree(primals), jax.tree.unflatten(out, values), tree(tangents))
        return jax.tree.leaves(moved, is_leaf=_still)

    values = _ruled.bind(*map(jnp.asarray, leaves), function=flat, rule=flat_rule, out=tuple(shapes))
    return jax.tree.unflatten(out, values)


def active_jvp(function: Callable[[Any], Any], primals: Any, tangents: Any) -> Any:
    """Tangent of a function of one pytree by `jax.jvp`, in which only what moves takes part.

    Args:
        function: The function.
        primals: Its argument.
        tangents: How it moves, with `SymbolicZero` for leaves that do not.

    Example:
        >>> import jax.numpy as jnp
        >>> still = SymbolicZero(jnp.ones(()).aval)
        >>> float(active_jvp(lambda pair: pair[0] * pair[1], (jnp.array(2.0), jnp.array(3.0)), (jnp.ones(()), still)))
        3.0
    """
    leaves, structure = jax.tree.flatten(primals)
    given = jax.tree.leaves(tangents, is_leaf=_still)
    moves = [at for at, tangent in enumerate(given) if not _still(tangent)]

    def of_moving(*moving: Any) -> Any:
        every = list(leaves)
        for at, leaf in zip(moves, moving, strict=True):
            every[at] = leaf
        return function(jax.tree.unflatten(structure, every))

    return jax.jvp(of_moving, tuple(leaves[at] for at in moves), tuple(given[at] for at in moves))[1]


def first_order(value: Any, message: str) -> Any:
    """The same pytree, whose derivative raises: what a rule makes of it can be used, but not differentiated again.

    Args:
        value: Arrays.
        message: Says why, and what to do.

    Raises:
        ValueError: it is differentiated.

    Example:
        >>> import jax.numpy as jnp
        >>> float(first_order(jnp.array(2.0), "this number has no derivative"))
        2.0
    """

    def refuse(args: Any, out: Any, tangents: Any) -> Any:
        del args, out, tangents
        raise ValueError(message)

    return ruled(lambda value: value, refuse, value)


def still(leaf: Any) -> Any:
    """The tangent of an array that does not move."""
    return SymbolicZero(jax.typeof(leaf).to_tangent_aval())


def _still(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


def _call(*leaves: Any, function: Callable[..., list[Any]], rule: Rule, out: Shapes) -> list[Any]:
    del rule, out
    return function(*leaves)


def _shapes(*leaves: Any, function: Callable[..., list[Any]], rule: Rule, out: Shapes) -> list[Any]:
    del leaves, function, rule
    return [jax.core.ShapedArray(leaf.shape, leaf.dtype) for leaf in out]


def _differentiate(primals: Any, tangents: Any, *, function: Callable[..., list[Any]], rule: Rule, out: Shapes) -> Any:
    values = _ruled.bind(*primals, function=function, rule=rule, out=out)
    moves = [still(x) if type(dx) is ad.Zero else dx for x, dx in zip(primals, tangents, strict=True)]
    moved = rule(list(primals), values, moves)
    return values, [ad.Zero(dx.aval) if _still(dx) else dx for dx in moved]


def _batched(
    leaves: Any, axes: Sequence[int | None], *, function: Callable[..., list[Any]], rule: Rule, out: Shapes
) -> Any:
    """The same function and rule for each member of a batch."""

    def batched_rule(primals: list[Any], values: list[Any], tangents: list[Any]) -> list[Any]:
        moves = [at for at, tangent in enumerate(tangents) if not _still(tangent)]
        fixed: list[Any] = []

        def one(primals: list[Any], values: list[Any], moving: list[Any]) -> list[Any]:
            every = [still(leaf) for leaf in primals]
            for at, leaf in zip(moves, moving, strict=True):
                every[at] = leaf
            moved = rule(primals, values, every)
            fixed[:] = [at for at, leaf in enumerate(moved) if _still(leaf)]
            return [leaf for leaf in moved if not _still(leaf)]

        along = (list(axes), [0] * len(values), [axes[at] for at in moves])
        moved = iter(jax.vmap(one, in_axes=along)(primals, values, [tangents[at] for at in moves]))
        return [still(value) if at in fixed else next(moved) for at, value in enumerate(values)]

    many = next(leaf.shape[axis] for leaf, axis in zip(leaves, axes, strict=True) if axis is not None)
    wide = tuple(jax.ShapeDtypeStruct((many, *leaf.shape), leaf.dtype) for leaf in out)
    values = _ruled.bind(*leaves, function=jax.vmap(function, in_axes=tuple(axes)), rule=batched_rule, out=wide)
    return values, [0] * len(values)


_ruled = Primitive("ruled")
_ruled.multiple_results = True
_ruled.def_impl(_call)
_ruled.def_abstract_eval(_shapes)
ad.primitive_jvps[_ruled] = _differentiate
batching.primitive_batchers[_ruled] = _batched
mlir.register_lowering(_ruled, mlir.lower_fun(_call, multiple_results=True))
