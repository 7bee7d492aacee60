"""Comparing runs: those that differ in their seed only are one group, and groups are tested against each other.

reading    what came out of runs and studies, from their folders
groups     runs of one configuration; what their configurations differ in; what cannot be compared
fairness   is a difference more than chance? a permutation test, in pairs where the seeds are the same
showing    tables for a terminal, and a page for a browser
"""

from ranvier.lab.comparison.fairness import Verdict as Verdict
from ranvier.lab.comparison.fairness import fair_test as fair_test
from ranvier.lab.comparison.groups import Comparison as Comparison
from ranvier.lab.comparison.groups import Group as Group
from ranvier.lab.comparison.groups import compare_runs as compare_runs
from ranvier.lab.comparison.reading import Outcome as Outcome
from ranvier.lab.comparison.reading import read_outcomes as read_outcomes
