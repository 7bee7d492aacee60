"""Event-driven simulation: exact, without a time step.

Reading order: `simulator` (the public class), `plan` (what is static), `primitive` (what JAX sees), `host` (threads),
`tables` (arrays in and out), `kernels` (the work).
"""

from ranvier.event_driven.simulator import EventDriven as EventDriven

__all__ = ["EventDriven"]
