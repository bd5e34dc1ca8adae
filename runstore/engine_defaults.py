"""Sizes of an engine that a config leaves open.

They stand on this floor because the planning of machines (cluster) and the engines (workers) do not know each other,
and both have to count with the same numbers.
"""

from __future__ import annotations

GPU_SEQUENCES = 1024
"""Samples that a replica on GPUs runs at once, and each of its data-parallel ranks."""
CPU_SEQUENCES = 256
"""Samples that a replica on CPUs runs at once."""
BATCHED_TOKENS = 8192
"""Tokens that an engine on GPUs computes in one step at most. vLLM measures its peak of activations with as many."""
