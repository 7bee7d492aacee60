"""Queues of future events, for use in any JAX simulation: fixed memory, exact gradients, nothing lost in silence.

`FifoQueue` (a few places, the default choice), `RingQueue` (a slot for each step of the delay), `SortedQueue` (in order
of time), `HeapQueue` (the textbook's), and two that lose events by a stated rule: `LossyQueue` and `SingleQueue`.
"""

from ranvier.queues.abstract import AbstractQueue as AbstractQueue
from ranvier.queues.abstract import Counters as Counters
from ranvier.queues.abstract import Due as Due
from ranvier.queues.abstract import QueueState as QueueState
from ranvier.queues.fifo import FifoQueue as FifoQueue
from ranvier.queues.heap import HeapQueue as HeapQueue
from ranvier.queues.lossy import LossyQueue as LossyQueue
from ranvier.queues.policies import Clamp as Clamp
from ranvier.queues.policies import Raise as Raise
from ranvier.queues.recommend import Recommendation as Recommendation
from ranvier.queues.recommend import recommend_queue as recommend_queue
from ranvier.queues.ring import RingQueue as RingQueue
from ranvier.queues.single import First as First
from ranvier.queues.single import Latest as Latest
from ranvier.queues.single import SingleQueue as SingleQueue
from ranvier.queues.sizing import capacity as capacity
from ranvier.queues.sorted import SortedQueue as SortedQueue
