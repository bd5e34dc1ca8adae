"""Sizes that the planning of machines (cluster) and the workers both count with.

The two do not know each other, so what both have to take alike stands on this floor.
"""

from __future__ import annotations

GPU_SEQUENCES = 1024
"""Samples that a replica on GPUs runs at once, and each of its data-parallel ranks."""
CPU_SEQUENCES = 256
"""Samples that a replica on CPUs runs at once."""
BATCHED_TOKENS = 8192
"""Tokens that an engine on GPUs computes in one step at most. vLLM measures its peak of activations with as many."""
PENDING_BYTES = 512 << 20
"""Bytes of finished samples that may wait for verifiers and writers. Above that nothing more is drawn."""
