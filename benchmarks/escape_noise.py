"""Where the value of a spike and the exact derivative point, beside the derivative of the expected loss under noise.

    python benchmarks/escape_noise.py [--networks 10] [--runs 40000] [--out docs/gradients_noise.png]

Ten random recurrent networks of three inputs and four neurons that fire several times each; for every width of the
noise the derivative of the expected loss from noisy runs (`ranvier.lab.studies.escape_noise`), and the cosines to it.
"""

import argparse

import jax
import matplotlib.pyplot as plt
import numpy as np

from ranvier.lab.studies.escape_noise import compare_network

WIDTHS = (0.05, 0.1, 0.2)


def main() -> None:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--runs", type=int, default=40000)
    parser.add_argument("--out", default="docs/gradients_noise.png")
    asked = parser.parse_args()
    figure, axes = plt.subplots(1, len(WIDTHS), figsize=(9, 3), sharey=True, layout="constrained")
    for axis, width in zip(axes, WIDTHS, strict=True):
        rows = [compare_network(seed, width, asked.runs, key=jax.random.key(seed)) for seed in range(asked.networks)]
        value, exact, halves, spikes = np.array(rows).T
        print(f"D = {width}: spikes {np.median(spikes):.0f}, agreement of the estimates {np.median(halves):.2f}")
        for seed, row in enumerate(rows):
            print(
                f"  network {seed}: value {row.value:.2f}, exact {row.exact:.2f}, halves {row.halves:.2f}", flush=True
            )
        print(f"  median: value {np.median(value):.2f}, exact {np.median(exact):.2f}; "
              f"value larger in {np.sum(value > exact)} of {len(rows)}", flush=True)  # fmt: skip
        axis.axline((0, 0), slope=1, color="0.8")
        axis.plot(exact, value, "o", color="#0072B2")
        axis.set(title=f"noise of {width} thresholds", xlabel="cosine, exact derivative", xlim=(-1, 1), ylim=(-1, 1))
    axes[0].set_ylabel("cosine, value of a spike")
    figure.savefig(asked.out, dpi=150)


if __name__ == "__main__":
    main()
