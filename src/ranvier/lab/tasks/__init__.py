"""Tasks: one file each, which holds a `PRESET`. Its name on the command line is that of the file, `yin-yang`.

A task outside of ranvier is such a file, too: `ranvier train path/to/task.py`. The file has a class derived from
`AbstractTask`, a model (one of `ranvier.lab.models`, or its own), and puts them together:

    PRESET = Preset(Experiment(task=MyTask(), model=OneHidden(hidden=100), readout=CrossEntropy()))
"""
