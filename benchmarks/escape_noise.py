"""Where the value of a spike and the exact derivative point, beside the derivative of the expected loss under noise.

    python benchmarks/escape_noise.py [--networks 10] [--runs 8000]

Random recurrent networks of three inputs and four neurons that fire several times each; for every width of the noise
the derivative of the expected loss from noisy runs (`ranvier.lab.studies.escape_noise`), and the cosines to it. Writes
`benchmarks/escape_noise.json` and draws it as `docs/gradients_noise.png`.
"""

import argparse
import json
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

from ranvier.lab.studies.escape_noise import compare_network

ROOT = Path(__file__).parents[1]
WIDTHS = (0.05, 0.1, 0.2)


def measure(networks: int, runs: int) -> list[dict[str, float]]:
    """One row for each width and network."""
    rows = []
    for width in WIDTHS:
        for seed in range(networks):
            found = compare_network(seed, width, runs, key=jax.random.key(seed))
            rows.append({"width": width, "seed": seed, **found._asdict()})
            print(rows[-1], flush=True)
    return rows


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """The two cosines against each other, a picture for each width; and a line for each in print."""
    figure, axes = plt.subplots(1, len(WIDTHS), figsize=(9, 3.2), sharey=True, layout="constrained")
    for axis, width in zip(axes, WIDTHS, strict=True):
        value, exact = (np.array([row[name] for row in rows if row["width"] == width]) for name in ("value", "exact"))
        print(f"D = {width}: median cosine {np.median(value):.2f}, of the exact derivative {np.median(exact):.2f}; "
              f"larger in {np.sum(value > exact)} of {len(value)}")  # fmt: skip
        axis.axline((0, 0), slope=1, color="0.8")
        axis.plot(exact, value, "o", color="#0072B2")
        axis.set(title=f"noise of {width} thresholds", xlabel="cosine, exact derivative", xlim=(-1, 1), ylim=(-1, 1))
    axes[0].set_ylabel("cosine, value of a spike")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, keep, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--runs", type=int, default=8000)
    asked = parser.parse_args()
    rows = measure(asked.networks, asked.runs)
    (ROOT / "benchmarks" / "escape_noise.json").write_text(json.dumps({"runs": asked.runs, "rows": rows}, indent=1))
    draw(rows, ROOT / "docs" / "gradients_noise.png")


if __name__ == "__main__":
    main()
