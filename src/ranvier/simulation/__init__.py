"""Simulation: one entry point, `simulate`, and what comes back, a `Solution`.

How the network is advanced is a value, the simulator (`EventDriven()`, ...). Whatever a simulator cannot hold or do is
counted in `Solution.stats` and, unless `throw=False`, raised. Every simulator refuses the same arguments, by the rules
of `ranvier.rules` and `validity`, with a number of the table in `ranvier.status`.
"""

from ranvier.simulation.counts import delivered as delivered
from ranvier.simulation.counts import in_flight as in_flight
from ranvier.simulation.room import refuse_without_room as refuse_without_room
from ranvier.simulation.simulate import simulate as simulate
from ranvier.simulation.solution import AbstractNoisySimulator as AbstractNoisySimulator
from ranvier.simulation.solution import AbstractSimulator as AbstractSimulator
from ranvier.simulation.solution import AbstractSteppedSimulator as AbstractSteppedSimulator
from ranvier.simulation.solution import Solution as Solution
from ranvier.simulation.solution import Stats as Stats
from ranvier.simulation.state import State as State
from ranvier.simulation.validity import Records as Records
from ranvier.simulation.validity import argument_status as argument_status
from ranvier.simulation.validity import summaries_of as summaries_of
from ranvier.simulation.validity import times_of as times_of
from ranvier.status import STATUS as STATUS
from ranvier.status import first_status as first_status
