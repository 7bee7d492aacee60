"""Where gradients point, beside the derivative of the expected loss under noise; and what a spike should count.

    python benchmarks/escape_noise.py [--networks 10] [--runs 8000]

Random recurrent networks of three inputs and four neurons that fire several times each; for every width D of the noise
the derivative of the expected loss from noisy runs (`ranvier.lab.studies.escape_noise`), and the cosines to it: of the
exact derivative, of `SpikeValue(1/D)`, and of other rules and scales (`ranvier.lab.studies.by_gradient.rules`). Writes
`benchmarks/escape_noise.json` and draws it as `docs/figures/gradients_noise.png`.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import ranvier as rv
from ranvier.lab.studies.by_gradient.rules import RULES, gradient_by
from ranvier.lab.studies.escape_noise import Noise, Way, compare_network, gradient_of

ROOT = Path(__file__).parents[1]
WIDTHS = (0.05, 0.1, 0.2)
SHARES = (0.25, 0.5, 1.0, 2.0)
"""h, as a multiple of 1/D."""


def ways(width: float) -> dict[str, Way]:
    """All gradients by name: the first two by events, the others on a grid; rules at h = 1/D."""
    grid = lambda rule, share: partial(gradient_by, rule=rule, noise=Noise(1.0, width), h=share / width)
    return {
        "value": partial(gradient_of, way=rv.SpikeValue(1.0 / width)),
        "exact": partial(gradient_of, way=rv.ExactDerivative()),
        **{f"{share:g}/D": grid(RULES["h"], share) for share in SHARES},
        **{name: grid(rule, 1.0) for name, rule in RULES.items()},
    }


def measure(networks: int, runs: int) -> list[dict[str, float]]:
    """One row for each width and network."""
    rows = []
    for width in WIDTHS:
        for seed in range(networks):
            found = compare_network(seed, width, ways(width), runs, key=jax.random.key(seed))
            rows.append({"width": width, "seed": seed, **found})
        mine = [row for row in rows if row["width"] == width]
        print(f"D = {width}: medians", {name: round(float(np.median([row[name] for row in mine])), 2)
                                        for name in ways(width)}, flush=True)  # fmt: skip
    return rows


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """Left: each network by its two cosines, with h = 1/(4D). Right: the cosine over h, median and quartiles."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.axline((0, 0), slope=1, color="0.8")
    for width, colour in zip(WIDTHS, ("#0072B2", "#E69F00", "#009E73"), strict=True):
        mine = [row for row in rows if row["width"] == width]
        column = lambda name, mine=mine: np.array([row[name] for row in mine])
        left.plot(column("exact"), column("0.25/D"), "o", color=colour, label=f"D = {width}")
        scales = [share / width for share in SHARES]
        low, middle, high = np.quantile([column(f"{share:g}/D") for share in SHARES], (0.25, 0.5, 0.75), axis=1)
        right.fill_between(scales, low, high, color=colour, alpha=0.15)
        right.plot(scales, middle, color=colour, marker="o", markersize=4)
        right.axvline(1.0 / width, color=colour, linestyle=":")
    left.set(xlabel="cosine, exact derivative", ylabel="cosine, h = 1/(4D)", xlim=(-1, 1), ylim=(-1, 1))
    left.legend(title="width of the noise")
    right.set(xscale="log", xlabel="h (1/threshold); dotted: 1/D", ylabel="cosine", ylim=(-0.5, 1))
    right.set_xticks([1, 2, 5, 10, 20, 40], ["1", "2", "5", "10", "20", "40"])
    right.minorticks_off()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, keep, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--runs", type=int, default=8000)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = measure(asked.networks, asked.runs)
    (ROOT / "benchmarks" / "escape_noise.json").write_text(json.dumps({"runs": asked.runs, "rows": rows}, indent=1))
    draw(rows, ROOT / "docs" / "figures" / "gradients_noise.png")


if __name__ == "__main__":
    main()
