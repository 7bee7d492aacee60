"""First spikes in closed form: one spike per neuron, feed-forward networks, any delays."""

from ranvier.closed_form.simulator import FirstSpike as FirstSpike
