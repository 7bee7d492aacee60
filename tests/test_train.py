"""Training: every sample counts once, the right things move, validation chooses, and mistakes are told clearly."""

import dataclasses
import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array
from rich.console import Console

import build
import ranvier as rv
from ranvier import readouts
from ranvier.losses import cross_entropy, relative_time_mse
from ranvier.regularizers import SilentRecovery
from ranvier.simulation import AbstractNoisySimulator, AbstractSimulator
from ranvier.train import (
    Dataset,
    LiveProgress,
    NoProgress,
    PlainProgress,
    Recipe,
    TrainingError,
    adam,
    best_epoch,
    by_path,
    cosine,
    evaluate,
    fit,
    learning_rates,
    live_bar,
    progress_for,
    step_decay,
)
from ranvier.train.optimisers import learning_paths

NEURON = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=math.inf)
KEY = jax.random.key(7)


def network(weight: float = 3.0, **delay: Any) -> rv.Network:
    kind = rv.synaptic(0.0, 1.0, **delay)
    start = rv.initializers.normal(weight, 0.3)
    return rv.feedforward([2, 4, 2], neuron=NEURON, delay=kind, weight=start, key=jax.random.key(0))


def dataset(samples: int, seed: int = 0) -> Dataset:
    """Which of two inputs comes first?"""
    times = np.random.RandomState(seed).rand(samples, 2) * 2
    order = np.argsort(times, axis=1)
    return Dataset(rv.Spikes(np.take_along_axis(times, order, axis=1), order.astype(np.int32)), order[:, 0], classes=2)


loss = partial(relative_time_mse, margin=0.3)

BASE = Recipe(
    rv.EventDriven(max_spikes=1),
    t_end=12.0,
    readout=readouts.FirstSpike("output"),
    loss=loss,
    optimiser=by_path({"weight": adam(0.05), "delay": adam(0.02)}),
    epochs=4,
    batch=20,
)


def recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(BASE, **changes)


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def equal(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


def test_training_learns_and_the_best_epoch_is_the_one_that_validated_best():
    train, validation = dataset(110), dataset(60, seed=1)
    fitted = fit(network(), train, validation, recipe(epochs=25), key=KEY)
    first, best = fitted.epochs[0], fitted.epochs[fitted.best_epoch - 1]
    assert best["validation_accuracy"] >= 0.95 > first["validation_accuracy"]
    assert best["validation_loss"] < first["validation_loss"]
    assert best["validation_accuracy"] == max(line["validation_accuracy"] for line in fitted.epochs)
    again = evaluate(fitted.network, validation, BASE)
    assert (again["loss"], again["accuracy"]) == (best["validation_loss"], best["validation_accuracy"])
    last = evaluate(fitted.last, validation, BASE)
    assert last["loss"] == fitted.epochs[-1]["validation_loss"]


def test_a_run_is_the_same_every_time_and_another_key_gives_another_order():
    train, validation = dataset(50), dataset(20, seed=1)
    one, two, other = (fit(network(), train, validation, BASE, key=jax.random.key(n)) for n in (1, 1, 2))
    assert equal(one.last, two.last)
    assert not equal(one.last, other.last)


@pytest.mark.parametrize("batch", [20, 25, 50, 64, 200])
def test_every_sample_counts_exactly_once(batch: int):
    """With nothing to learn the mean loss of an epoch is that of the data, for any size of the last batch."""
    train = dataset(50)
    still = recipe(optimiser=optax.sgd(0.0), batch=batch, epochs=1)
    line = fit(network(), train, train, still, key=KEY).epochs[0]
    whole = evaluate(network(), train, BASE)
    assert line["loss"] == pytest.approx(whole["loss"], rel=1e-12)
    assert line["accuracy"] == whole["accuracy"]
    assert line["spikes_per_neuron"] == pytest.approx(whole["spikes_per_neuron"], rel=1e-12)
    assert line["validation_loss"] == pytest.approx(whole["loss"], rel=1e-12)


def test_a_step_on_a_batch_that_is_not_full_is_a_step_on_its_samples():
    train = dataset(30)

    def mean(learn: rv.Network, fixed: rv.Network) -> Array:
        solution = rv.simulate(rv.combine(learn, fixed), train.spikes, BASE.simulator, t_end=BASE.t_end)
        return relative_time_mse(rv.first_spike(solution.spikes["output"]), train.target, margin=0.3)

    learn, fixed = rv.partition(network())
    gradient = jax.grad(mean)(learn, fixed)
    wanted = rv.combine(jax.tree.map(lambda value, slope: value - 0.1 * slope, learn, gradient), fixed)
    got = fit(network(), train, train, recipe(optimiser=optax.sgd(0.1), batch=64, epochs=1), key=KEY).last
    for a, b in zip(leaves(got), leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_weights_and_delays_have_learning_rates_of_their_own():
    train = dataset(40)
    frozen = recipe(optimiser=by_path({"weight": adam(0.0), "delay": adam(0.1)}), epochs=1)
    start, end = network(), fit(network(), train, train, frozen, key=KEY).last
    for before, after in zip(start.connections, end.connections, strict=True):
        assert equal(before.weight, after.weight)
        assert not equal(before.delay, after.delay)
    assert equal(start.neurons, end.neurons)


def test_only_what_is_to_learn_moves():
    train = dataset(40)
    only = recipe(optimiser=by_path({"v_threshold": adam(0.01)}), learn=("v_threshold",), epochs=1)
    start, end = network(), fit(network(), train, train, only, key=KEY).last
    assert equal(start.connections, end.connections)
    assert not equal(start.neurons["output"].v_threshold, end.neurons["output"].v_threshold)
    assert equal(start.neurons["output"].tau_mem, end.neurons["output"].tau_mem)


def test_a_parameter_that_learns_does_not_have_the_second_epoch_compiled_anew():
    """It was given as a plain number, whose type is weak until a step makes it firm."""
    traced = [0]

    def counted(value: Array, target: Array) -> Array:
        traced[0] += 1
        return loss(value, target)

    given = {"learn": ("output.v_threshold",), "optimiser": adam(0.001), "loss": counted}
    count = []
    for epochs in (1, 3):
        traced[0] = 0
        fitted = fit(network(), dataset(20), dataset(20), recipe(epochs=epochs, **given), key=KEY)
        count.append(traced[0])
    assert count[0] == count[1] > 0
    assert fitted.network["output"].neuron.v_threshold != 1.0


def test_an_optimiser_without_a_field_or_a_field_without_an_optimiser_is_refused():
    learn, _ = rv.partition(network())
    missing = r"'hidden->output.delay', 'input->hidden.delay' without an optimiser; .* are given for 'weight'\."
    with pytest.raises(ValueError, match=missing):
        by_path({"weight": adam(0.1)}).init(learn)
    with pytest.raises(ValueError, match=r"'v_treshold' with nothing that learns; .*'input->hidden.weight' learn, "):
        by_path({"weight": adam(0.1), "delay": adam(0.1), "v_treshold": adam(0.1)}).init(learn)
    with pytest.raises(
        ValueError, match=r"by_path: 'weights' with nothing that learns"
    ):  # the slip, not what follows from it
        by_path({"weights": adam(0.1)}).init(learn)
    assert learning_paths(learn)[:2] == ["input->hidden.weight", "input->hidden.delay"]


def test_schedules_follow_the_epochs_and_are_reported():
    train = dataset(40)  # two steps per epoch
    course = {"weight": adam(step_decay(0.1, 0.5, epochs=1, steps_per_epoch=2)), "delay": adam(0.25)}
    lines = fit(network(), train, train, recipe(optimiser=by_path(course)), key=KEY).epochs
    # The rate that stands in the state is that of the epoch's last step.
    assert [line["learning_rate"]["weight"] for line in lines] == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    assert {line["learning_rate"]["delay"] for line in lines} == {0.25}
    assert float(cosine(1.0, 10, 4, floor=0.1)(40)) == pytest.approx(0.1)
    assert learning_rates(optax.sgd(0.1).init(jnp.zeros(2))) == {}


def test_projected_delays_stay_in_their_box():
    train = dataset(40)
    wild = recipe(optimiser=by_path({"weight": adam(0.0), "delay": adam(0.5)}), epochs=2)
    end = fit(network(bound=rv.delays.Clip()), train, train, wild, key=KEY).last
    delays = np.concatenate([np.ravel(end.delay(link)) for link in end.connections])
    assert delays.min() >= 0
    assert delays.max() <= 1
    assert (delays == 0).any() or (delays == 1).any()


def test_silent_neurons_are_woken_and_counted():
    train = dataset(40)
    asleep = network(weight=0.1)
    lost = fit(asleep, train, train, recipe(epochs=2), key=KEY)
    assert lost.epochs[-1]["silent"] == {"hidden": 1.0, "output": 1.0}
    assert lost.epochs[-1]["bumped"] == 0
    woken = fit(asleep, train, train, recipe(epochs=8, recovery=SilentRecovery(0.05)), key=KEY).epochs
    assert woken[0]["bumped"] > 0
    assert woken[-1]["silent"]["output"] < 0.5
    assert woken[-1]["spikes_per_neuron"]["hidden"] > 0.5


@pytest.mark.parametrize(("limit", "bumped"), [(0.6, 1), (0.7, 0)])
def test_recovery_does_not_see_padding(limit: float, bumped: int):
    """Two of three samples are silent; the fourth place of the batch would make that one half, or three quarters."""
    times = np.array([[1.0], [np.inf], [np.inf]])
    data = Dataset(rv.Spikes(times, np.where(np.isfinite(times), 0, -1)), np.zeros(3, int))
    link = rv.Connection("input", "output", jnp.full((1, 1), 9.0))
    net = build.network({"input": 1}, {"output": NEURON}, {"output": 1}, [link])
    rule = recipe(
        readout=lambda solution: solution.spikes["output"].time[0],
        loss=lambda time, label: jnp.minimum(time, 5.0),
        predict=lambda time: jnp.zeros((), jnp.int32),
        recovery=SilentRecovery(0.05, limit=limit),
        optimiser=optax.sgd(0.0),
        learn=("weight",),
        epochs=1,
        batch=4,
    )
    assert fit(net, data, data, rule, key=KEY).epochs[0]["bumped"] == bumped


def test_the_best_epoch_is_chosen_by_accuracy_then_loss_then_order():
    def lines(*pairs: tuple[float, float]) -> list[dict[str, float]]:
        return [{"validation_accuracy": accuracy, "validation_loss": value} for accuracy, value in pairs]

    assert best_epoch(lines((0.8, 0.1), (0.9, 0.5), (0.9, 0.5))) == 2
    assert best_epoch(lines((0.9, 0.5), (0.9, 0.4), (0.8, 0.1))) == 2


def test_the_network_kept_is_that_of_the_best_epoch_not_of_the_last():
    train, seen = dataset(40), []
    spoilt = recipe(optimiser=adam(lambda step: jnp.where(step < 8, 0.02, 5.0)), epochs=6)
    keep = lambda line, net: seen.append(net)
    fitted = fit(network(), train, dataset(60, seed=1), spoilt, on_epoch_end=keep, key=KEY)
    assert fitted.best_epoch <= 4
    assert equal(fitted.network, seen[fitted.best_epoch - 1])
    assert not equal(fitted.network, fitted.last)


def test_patience_ends_training_when_validation_stands_still():
    train = dataset(40)
    fitted = fit(network(), train, train, recipe(optimiser=optax.sgd(0.0), epochs=50, patience=3), key=KEY)
    assert fitted.best_epoch == 1
    assert len(fitted.epochs) == 4


def test_the_callback_sees_every_epoch_and_a_network_to_keep():
    seen: list[tuple[int, rv.Network]] = []
    train = dataset(40)
    fitted = fit(
        network(),
        train,
        train,
        BASE,
        on_epoch_end=lambda line, net: seen.append((line["epoch"], net)),
        key=KEY,
    )
    assert [number for number, _ in seen] == [1, 2, 3, 4]
    assert equal(seen[-1][1], fitted.last)
    assert equal(seen[fitted.best_epoch - 1][1], fitted.network)
    assert not equal(seen[0][1], seen[1][1])


def test_a_gradient_that_is_not_finite_names_the_parameters_and_the_epoch():
    def bad(first: Array, label: Array) -> Array:
        time = first.min()
        return jnp.where(label == 0, jnp.sqrt((time - jax.lax.stop_gradient(time)) ** 2), time)

    named = r"epoch 1: the gradient of input->hidden.weight, input->hidden.delay, .* is not finite; lower"
    with pytest.raises(TrainingError, match=named):
        fit(network(), dataset(40), dataset(40), recipe(loss=bad), key=KEY)


def test_spikes_that_do_not_fit_stop_training_with_numbers_and_advice():
    many = rv.feedforward(
        [2, 4, 2], neuron=rv.LIF(2.0, 1.0), weight=rv.initializers.constant(9.0), key=jax.random.key(0)
    )
    small = recipe(optimiser=by_path({"weight": adam(0.01)}), learn=("weight",))
    with pytest.raises(TrainingError, match=r"epoch 1: more spikes than fit: .*max_spikes.* Spikes dropped: .*hidden"):
        fit(many, dataset(40), dataset(40), small, key=KEY)
    with pytest.raises(TrainingError, match=r"evaluation: more spikes than fit"):
        evaluate(many, dataset(40), small)


@pytest.mark.parametrize("seed", range(3))
def test_one_bad_batch_of_many_is_enough_to_stop(seed: int):
    """One sample of forty makes neurons fire more often than there is room for, or has a gradient that is NaN."""
    times = np.where(np.arange(40)[:, None] == 0, np.array([[1.0, 2.0]]), np.inf)
    data = Dataset(rv.Spikes(times, np.where(np.isfinite(times), 0, -1)), np.where(np.arange(40) == 0, 1, 0))
    key = jax.random.key(seed)
    many = rv.feedforward([2, 4, 2], neuron=rv.LIF(2.0, 1.0), weight=rv.initializers.constant(9.0), key=key)
    small = recipe(optimiser=by_path({"weight": adam(0.0)}), learn=("weight",), batch=8)
    with pytest.raises(TrainingError, match="epoch 1: more spikes than fit"):
        fit(many, data, data, small, key=key)

    def bad(first: Array, label: Array) -> Array:
        time = jnp.minimum(first.min(), 20.0)
        return jnp.where(label == 1, jnp.sqrt((time - jax.lax.stop_gradient(time)) ** 2), time)

    with pytest.raises(TrainingError, match="epoch 1: the gradient of input->hidden.weight"):
        fit(network(), data, data, recipe(loss=bad, batch=8, optimiser=optax.sgd(0.0)), key=key)


def test_losses_on_recorded_potentials():
    """Leaky integrators: loss and answer are those of a simulation done by hand, and delays learn from them."""
    train = dataset(40)
    start = rv.feedforward(
        [2, 2], neuron=rv.LI(10.0, 5.0), delay=rv.synaptic(0.0, 5.0), weight=rv.initializers.constant(1.0), key=KEY
    )
    times = np.linspace(0.0, 30.0, 3001)
    rule = recipe(
        t_end=30.0,
        readout=readouts.MaxPotential("output"),
        loss=partial(cross_entropy, scale=20.0),
        optimiser=by_path({"delay": adam(0.5)}),
        learn=("delay",),
        epochs=12,
    )
    voltage = rv.simulate(start, train.spikes, BASE.simulator, t_end=30.0, record={"output": times}).voltages["output"]
    wanted = optax.softmax_cross_entropy_with_integer_labels(20.0 * voltage.max(axis=1), train.target).mean()
    found = evaluate(start, train, rule)
    assert found["loss"] == pytest.approx(float(wanted), rel=1e-4)
    assert found["accuracy"] == np.mean(np.asarray(voltage).max(axis=1).argmax(axis=1) == np.asarray(train.target))
    fitted = fit(start, train, train, rule, key=KEY)
    assert fitted.epochs[-1]["validation_loss"] < 0.95 * found["loss"]
    assert rule.describe()["readout.population"] == "output"


def test_one_connection_may_be_frozen_and_another_have_its_own_rate():
    """`learn` and `by_path` speak of connections and populations in the same words."""
    train = dataset(40)
    paths = ("weight", "input->hidden.delay", "output.v_threshold")
    rates = {"weight": optax.sgd(0.1), "hidden->output.weight": optax.sgd(0.2), "input->hidden.delay": optax.sgd(0.3),
             "output.v_threshold": optax.sgd(0.4)}  # fmt: skip
    one = recipe(learn=paths, optimiser=by_path(rates), batch=64, epochs=1)
    start, end = network(), fit(network(), train, train, one, key=KEY).last
    learn, fixed = rv.partition(start, *paths)

    def mean(learn: rv.Network) -> Array:
        solution = rv.simulate(rv.combine(learn, fixed), train.spikes, BASE.simulator, t_end=BASE.t_end)
        return loss(rv.first_spike(solution.spikes["output"]), train.target)

    slope = jax.grad(mean)(learn)
    hidden, output = zip(start.connections, slope.connections, end.connections, strict=True)
    np.testing.assert_allclose(hidden[2].weight, hidden[0].weight - 0.1 * hidden[1].weight, rtol=1e-9)
    np.testing.assert_allclose(output[2].weight, output[0].weight - 0.2 * output[1].weight, rtol=1e-9)
    np.testing.assert_allclose(hidden[2].delay.raw, hidden[0].delay.raw - 0.3 * hidden[1].delay.raw, rtol=1e-9)
    assert equal(output[2].delay, output[0].delay)
    assert equal(end.neurons["hidden"], start.neurons["hidden"])
    assert not equal(end.neurons["output"].v_threshold, start.neurons["output"].v_threshold)


def integrators() -> rv.Network:
    return rv.feedforward([2, 3], neuron=rv.LI(10.0, 5.0), weight=rv.initializers.constant(1.0), key=jax.random.key(0))


def test_regression_on_potentials_needs_no_classes_and_chooses_by_loss():
    """Targets of floats, along a sequence of times: what a network with other weights does."""
    times, close = np.arange(2.0, 30.0, 2.0), dataset(40).spikes
    spikes = rv.Spikes(10.0 * close.time, close.unit)
    readout = readouts.Potential("output", times)
    wanted = rv.feedforward(
        [2, 3], neuron=rv.LI(10.0, 5.0), weight=rv.initializers.normal(2.0, 1.0), key=jax.random.key(3)
    )
    aim = readout(rv.simulate(wanted, spikes, BASE.simulator, t_end=30.0, record=readout.record))
    data = Dataset(spikes, aim)
    assert data.classes is None
    rule = recipe(
        t_end=30.0,
        readout=readout,
        loss=rv.losses.squared_error,
        metrics={"largest": lambda value, target: jnp.abs(value - target).max()},
        optimiser=by_path({"weight": adam(0.1)}),
        learn=("weight",),
        epochs=60,
    )
    fitted = fit(integrators(), data, data, rule, key=KEY)
    first, best = fitted.epochs[0], fitted.epochs[fitted.best_epoch - 1]
    assert "accuracy" not in first
    assert best["validation_loss"] == min(line["validation_loss"] for line in fitted.epochs) < 1e-3 * first["loss"]
    np.testing.assert_allclose(fitted.network.connections[0].weight, wanted.connections[0].weight, atol=0.05)
    value = readout(rv.simulate(fitted.network, data.spikes, BASE.simulator, t_end=30.0, record=readout.record))
    found = evaluate(fitted.network, data, rule)
    assert found["loss"] == pytest.approx(float(np.mean((value - aim) ** 2)), rel=1e-9)
    assert found["largest"] == pytest.approx(float(np.abs(value - aim).max(axis=(1, 2)).mean()), rel=1e-9)
    assert best["validation_largest"] == pytest.approx(found["largest"], rel=1e-9)


def test_a_class_at_each_of_several_times_is_counted_at_each():
    times, train = np.array([5.0, 20.0]), dataset(30)
    data = Dataset(train.spikes, np.stack([train.target, 1 - train.target], axis=1))
    net = rv.feedforward(
        [2, 2], neuron=rv.LI(10.0, 5.0), weight=rv.initializers.normal(1.0, 1.0), key=jax.random.key(2)
    )
    readout = readouts.Potential("output", times)
    found = evaluate(net, data, recipe(t_end=30.0, readout=readout, loss=cross_entropy))
    voltage = rv.simulate(net, data.spikes, BASE.simulator, t_end=30.0, record=readout.record).voltages["output"]
    assert found["accuracy"] == pytest.approx(np.mean(np.asarray(voltage).argmax(axis=-1) == np.asarray(data.target)))
    assert 0 < found["accuracy"] < 1


def test_targets_may_be_a_tree():
    train = dataset(20)
    data = Dataset(train.spikes, {"label": train.target, "weight": jnp.linspace(0.0, 1.0, 20)})
    weighted = lambda first, target: target["weight"] * loss(first, target["label"])
    found = evaluate(network(), data, recipe(loss=weighted))
    solution = rv.simulate(network(), train.spikes, BASE.simulator, t_end=BASE.t_end)
    each = jax.vmap(weighted)(rv.first_spike(solution.spikes["output"]), data.target)
    assert found["loss"] == pytest.approx(float(each.mean()), rel=1e-12)
    assert "accuracy" not in found


def test_classes_without_a_rule_for_the_answer_are_refused():
    mine = recipe(readout=lambda solution: rv.first_spike(solution.spikes["output"]))
    with pytest.raises(ValueError, match="nothing says which class the network answers with; pass `predict`"):
        fit(network(), dataset(20), dataset(20), mine, key=KEY)
    told = dataclasses.replace(mine, predict=readouts.earliest)
    assert evaluate(network(), dataset(20), told) == evaluate(network(), dataset(20), BASE)


def test_regularizers_are_added_to_what_is_minimised_and_told_apart():
    train = dataset(40)
    late = lambda solution: 0.1 * jnp.minimum(solution.spikes["hidden"].time[0], 9.0)
    plain, added = (recipe(optimiser=optax.sgd(0.1), batch=64, epochs=1, regularizers=it) for it in ((), (late, late)))
    one, other = (fit(network(), train, train, it, key=KEY) for it in (plain, added))
    assert one.epochs[0]["loss"] == other.epochs[0]["loss"]
    assert "regularization" not in one.epochs[0]
    solution = rv.simulate(network(), train.spikes, BASE.simulator, t_end=BASE.t_end)
    mean = float(0.2 * jnp.minimum(solution.spikes["hidden"].time[:, 0], 9.0).mean())
    assert other.epochs[0]["regularization"] == pytest.approx(mean, rel=1e-12)
    assert other.epochs[0]["validation_regularization"] < mean
    assert not equal(one.last, other.last)


@pytest.mark.parametrize("name", ["loss", "accuracy", "validation_mine", "epoch"])
def test_a_metric_cannot_take_the_name_of_another(name: str):
    with pytest.raises(ValueError, match=f"`metrics` cannot be named {name}"):
        recipe(metrics={name: loss})


def test_a_loss_that_is_not_finite_stops_training():
    def bad(first: Array, label: Array) -> Array:
        return loss(first, label) + jnp.inf

    with pytest.raises(TrainingError, match="epoch 1: the loss is inf"):
        fit(network(), dataset(40), dataset(40), recipe(loss=bad), key=KEY)


def train_with(**parts: Any) -> Callable[[], Any]:
    good = {"time": np.array([[1.0, 2.0]]), "unit": np.array([[0, 1]]), "target": np.array([1])} | parts
    data = lambda: Dataset(rv.Spikes(good["time"], good["unit"]), good["target"], classes=good.get("classes"))
    return lambda: fit(network(), data(), data(), BASE, key=KEY)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (train_with(target=np.array([-1])), r"classes and must be >= 0; got -1 for sample 0"),
        (train_with(target=np.array([2]), classes=2), r"classes and must be in 0\.\.1; got 2 for sample 0"),
        (train_with(target=np.array([0.5]), classes=2), r"with `classes`, .*integer.*got float64 of shape \(1,\)"),
        (train_with(target=np.zeros(0, int)), r"at least one; got \[\(0,\)\]"),
        (train_with(target={"a": np.zeros(1), "b": np.zeros(2)}), r"one entry per sample, .*got \[\(1,\), \(2,\)\]"),
        (train_with(target=np.array([0, 1])), r"one row for each of the 2 targets; got \[\(1, 2\)\]"),
        (train_with(time=np.array([[2.0, 1.0]])), r"must be sorted.*got time 1.0 ms"),
        (train_with(time=np.array([[1.0, 99.0]])), r"must not be after t_end = 12.0 ms.*got time 99.0"),
        (train_with(time=np.array([[-1.0, 2.0]])), r"must be >= 0 ms; got time -1.0"),
        (train_with(time=np.array([[1.0, math.nan]])), r"time is NaN"),
        (train_with(unit=np.array([[0, 2]])), r"units must be in 0\.\.1; got time 2.0 ms, unit 2"),
        (lambda: recipe(epochs=0), r"`epochs` must be above 0; got 0"),
        (lambda: recipe(batch=-3), r"`batch` must be above 0; got -3"),
        (lambda: recipe(t_end=math.nan), r"`t_end` must be above 0; got nan"),
        (lambda: recipe(patience=0), r"`patience` must be above 0; got 0"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(call: Callable[[], Any], message: str):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


LINE = {
    "epoch": 2,
    "loss": 0.5,
    "accuracy": 0.75,
    "validation_accuracy": 0.5,
    "spikes_per_neuron": {"hidden": 1.0, "output": 0.5},
    "silent": {"hidden": 0.0, "output": 0.25},
    "samples_per_second": 12345.6,
}


def test_progress_is_a_plain_line_now_and_then_where_there_is_no_terminal():
    file = io.StringIO()
    shown = progress_for(Console(file=file, width=40), "seed 3")
    assert isinstance(shown, PlainProgress)
    shown.start(9, 0)
    for number in (1, 2, 3, 9):
        shown.phase("training")
        shown.epoch(LINE | {"epoch": number})
    shown.stop()
    lines = file.getvalue().splitlines()
    assert lines[:2] == ["seed 3  epochs 1 to 9", "seed 3  compiling training, then running it"]
    numbers = "loss 0.5  accuracy 75.0/50.0 %  spikes/neuron 1.00/0.50  silent 0.0/25.0 %  12,346 samples/s"
    assert lines[2:] == [f"seed 3  epoch 1/9  {numbers}", f"seed 3  epoch 9/9  {numbers}"]


def test_progress_is_a_bar_in_a_terminal():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=160)
    assert isinstance(progress_for(console), LiveProgress)
    bar = live_bar(console)
    for name in ("seed 0", "seed 1"):
        shown = LiveProgress(bar, name)
        shown.start(4, 0)
        shown.epoch(LINE)
    bar.stop()
    text = file.getvalue()
    assert all(part in text for part in ("seed 0", "seed 1", "2/4", "50.0 %", "12,346 samples/s"))


def test_fit_tells_progress_of_every_epoch():
    class Counting(NoProgress):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def start(self, epochs: int, done: int) -> None:
            self.seen.append((epochs, done))

        def epoch(self, metrics: Any) -> None:
            self.seen.append(metrics["epoch"])

        def stop(self) -> None:
            self.seen.append("stop")

    shown = Counting()
    fit(network(), dataset(40), dataset(40), BASE, progress=shown, key=KEY)
    assert shown.seen == [(4, 0), 1, 2, 3, 4, "stop"]


class Jittery(AbstractNoisySimulator):
    """`EventDriven` whose input comes later, by as much as the key says."""

    key: Array

    def with_key(self, key: Array) -> "Jittery":
        return Jittery(key)

    def run(
        self, network: rv.Network, spikes: dict[str, rv.Spikes], t_end: float, record: dict[str, Array]
    ) -> rv.Solution:
        late = {name: later(train, key=self.key) for name, train in spikes.items()}
        return rv.EventDriven(max_spikes=1).run(network, late, t_end, record)


def later(spikes: rv.Spikes, *, key: Array) -> rv.Spikes:
    return rv.Spikes(spikes.time + jax.random.uniform(key), spikes.unit)


@pytest.mark.parametrize(
    ("simulator", "augment", "different"),
    [(Jittery(KEY), None, 2 * (2 + 1)), (rv.EventDriven(max_spikes=1), later, 2 * 2 + 1)],
    ids=["a noisy simulator", "an augmentation, in training only"],
)
def test_noise_has_another_key_in_every_batch(simulator: AbstractSimulator, augment: Any, different: int):
    """The noise that each batch met, told by its loss: all differ, and come again with the run's key."""
    seen: list[float] = []

    def loss(first: Array, label: Array) -> Array:
        jax.debug.callback(lambda time: seen.append(float(time)), first.min())
        return 0.0 * relative_time_mse(first, label, margin=0.3)

    data = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), dataset(4))
    recipe = Recipe(simulator, augment=augment, t_end=9.0, readout=readouts.FirstSpike(), loss=loss,
                    optimiser=adam(0.1), epochs=2, batch=2)  # fmt: skip

    def met(key: int) -> list[float]:
        seen.clear()
        fit(network(), data, data, recipe, key=jax.random.key(key))
        jax.effects_barrier()
        return sorted(seen)

    first = met(0)
    assert len(first) == 2 * (4 + 4)
    assert len({round(time, 9) for time in first}) == different
    assert met(0) == first
    assert met(1) != first
