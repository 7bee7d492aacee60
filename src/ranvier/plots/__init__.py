"""Pictures: rasters, decision maps, confusion matrices, learning curves, histograms, and the report of a run.

Every function takes plain data, draws into the axes `ax` or into a new figure, and returns its axes; those of whole
pages return the figure. `rv.plots.raster(...).figure.savefig("a.png")` keeps a picture; a notebook shows `.figure`.
Matplotlib is imported with this package, not with `ranvier`; no window is opened and no global state is touched.
"""

from ranvier.plots.confusion import confusion_matrix as confusion_matrix
from ranvier.plots.course_lines import courses as courses
from ranvier.plots.curves import learning_curves as learning_curves
from ranvier.plots.decisions import decision_map as decision_map
from ranvier.plots.elements import delay_elements as delay_elements
from ranvier.plots.histograms import parameter_histograms as parameter_histograms
from ranvier.plots.parameters import error_by_parameters as error_by_parameters
from ranvier.plots.report import Run as Run
from ranvier.plots.report import write_report as write_report
from ranvier.plots.robustness import robustness_curves as robustness_curves
from ranvier.plots.sound import cochleagram as cochleagram
from ranvier.plots.spike_raster import raster as raster
from ranvier.plots.surfaces import manifolds as manifolds
from ranvier.plots.traces import potentials as potentials

__all__ = [
    "Run",
    "cochleagram",
    "confusion_matrix",
    "courses",
    "decision_map",
    "delay_elements",
    "error_by_parameters",
    "learning_curves",
    "manifolds",
    "parameter_histograms",
    "potentials",
    "raster",
    "robustness_curves",
    "write_report",
]
