"""Benchmarks that ship with the package: each prints a table with a named alternative of the same run, writes JSON.

`cochlea`: synaptic events per second next to a plain grid loop; `training`: Yin-Yang samples per second; `memory`:
peak memory against spikes, duration and delay; `queues`: time per step next to adseq; `queue_table`: what
`recommend_queue` looks up; `import_time`: what `import ranvier` costs.
"""
