"""Event-driven simulation: exact, without a time step.

Reading order: `simulator` (the public class), `plan` (what is static), `primitive` (what JAX sees), `call` (arrays
in and out), `library` (the engine, called), `engine/` (the work).
"""

from ranvier.event_driven.simulator import EventDriven as EventDriven

__all__ = ["EventDriven"]
