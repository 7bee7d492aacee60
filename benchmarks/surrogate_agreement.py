"""Cosine between surrogate and exact gradients on the Yin-Yang network, before and after training: a table.

    ranvier train yin-yang --method surrogate --epochs 40 --seeds 0..4 --out runs/surrogate
    python benchmarks/surrogate_agreement.py runs/surrogate

The loss is the one of training, over the first 100 validation samples; exact is `EventDriven`. Each cell is the median
over the run folders found below the one given, with the smallest and the largest.
"""

import statistics
import sys
from pathlib import Path

import jax

import ranvier as rv
from ranvier.checks import gradient_agreement
from ranvier.lab import load_run

SAMPLES = 100
BETAS = [5.0, 20.0, 100.0]


def cosines(folder: Path, beta: float, detach_time: bool, trained: bool) -> dict[str, float]:
    """By connection and field, for one run."""
    experiment, network = load_run(folder)
    network = network if trained else experiment.network()
    data = experiment.data().validation
    recipe = experiment.recipe(SAMPLES)
    label = data.target[:SAMPLES]

    def loss(solution: rv.Solution) -> jax.Array:
        return recipe.loss(recipe.readout(solution), label)

    surrogate = rv.surrogates.superspike(beta)
    found = gradient_agreement(
        network,
        jax.tree.map(lambda leaf: leaf[:SAMPLES], data.spikes),
        rv.EventDriven(max_spikes=1),
        rv.Surrogate(experiment.method.dt, surrogate, detach_time=detach_time, max_spikes=1),
        t_end=recipe.t_end,
        loss=loss,
        record=recipe.readout.record,
    )
    return {name: agreement.cosine for name, agreement in found.items()}


def main() -> None:
    """Print one row for each network, way and beta."""
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("**/network.npz"))
    for trained in (False, True):
        for detach_time in (False, True):
            for beta in BETAS:
                found = [cosines(folder, beta, detach_time, trained) for folder in folders]
                columns = {name: sorted(row[name] for row in found) for name in found[0]}
                cells = (
                    f"{name} {statistics.median(column):.2f} ({column[0]:.2f} to {column[-1]:.2f})"
                    for name, column in columns.items()
                )
                state = "after" if trained else "before"
                print(f"{state:6} detach_time={detach_time!s:5} beta {beta:<5g}", *cells, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
