"""Regularizers: what keeps neurons in a range where they can learn.

`CountUpperBound` and `CountLowerBound` cost too many and too few spikes; `ranvier.train.Recipe(regularizers=...)` adds
them to the loss. Their gradient is that of `ranvier.spike_count`, so they want a simulator that has one; with an exact
derivative, which does not see spikes appear or vanish, they raise, and `CountTarget` takes their place: it pushes
spikes later where there are too many, and earlier where there are too few.

A neuron that never spikes has no exact gradient: there is no spike to move. `PeakMargin` gives it one, through its
largest potential. `SilentRecovery` wakes it by raising the weights onto it, no term of the loss but a small step of its
own after the optimiser's, which is kept:

    recovery = SilentRecovery()
    state = recovery.init(network)
    ...                                                    # for each batch, after the optimiser's step
    network, state, bumped = recovery(network, silent_share(solution, network), state)
"""

from ranvier.regularizers.activity import CountLowerBound as CountLowerBound
from ranvier.regularizers.activity import CountTarget as CountTarget
from ranvier.regularizers.activity import CountUpperBound as CountUpperBound
from ranvier.regularizers.potentials import PeakMargin as PeakMargin
from ranvier.regularizers.recovery import INNER_LIMIT as INNER_LIMIT
from ranvier.regularizers.recovery import LAST_LIMIT as LAST_LIMIT
from ranvier.regularizers.recovery import RecoveryState as RecoveryState
from ranvier.regularizers.recovery import SilentRecovery as SilentRecovery
from ranvier.regularizers.recovery import silent_share as silent_share
