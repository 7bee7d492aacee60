"""The page of any run folder: what `fit` left there, for a browser."""

from pathlib import Path

from ranvier.network import Network

NAME = "report.html"


def write_fit_page(
    folder: Path | str, out: Path | str | None = None, *, network: Network | None = None, doctor: bool = True
) -> Path:
    """Write the report of a `fit` as one HTML file that works offline, with all that is known of it.

    Summary, learning curves, answers by class, spikes of some samples, weights and delays before training, after it and
    over the epochs, synaptic operations by NeuroBench's keys, what the doctor finds, and the configuration.

    Args:
        folder: The folder, `fit(out=...)`, finished or not.
        out: The file; default `report.html` in the folder.
        network: A network like the one that was trained, where its neurons have functions of your own.
        doctor: Whether the doctor examines the network, which takes seconds.

    Returns:
        The path of the page.

    Raises:
        RunError: it is not a run folder, or no epoch is done.
        ValueError: the network cannot be read.
        OSError: the file cannot be written.
    """
    from ranvier.pages import run_page, write_page  # imports matplotlib, which is slow
    from ranvier.train.fit_facts import known_of_fit

    run, known = known_of_fit(folder, network, doctor=doctor)
    return write_page(out or Path(folder) / NAME, run_page(run, known))
