"""Whether one request fits one inventory: memory of a GPU or a CPU replica, and which node takes what.

Promises: pure arithmetic. What fits here will load in vLLM: weights, an allowance for activations and the runtime, and
the KV cache of at least one sequence of the greatest length. Otherwise it raises Refusal with the numbers, which
cluster.plan turns into a text for the user.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from cluster.inventory import GIB, Gpu, Inventory, gib
from cluster.model_size import Config, Json, ModelSize, model_size
from runstore.sizes import BATCHED_TOKENS, CPU_SEQUENCES, GPU_SEQUENCES

GPU_RUNTIME_BYTES = int(1.5 * GIB)
"""Allowance per GPU for the CUDA context, CUDA graphs, NCCL's buffers and fragmentation."""
CPU_RUNTIME_BYTES = int(2.5 * GIB)
"""Allowance for an engine on CPUs: two more processes that load torch and vLLM, about 1.2 GiB each."""
LOGIT_BYTES = 16
"""Bytes per logit of a sampled position: float32, its sorted copy and the int64 order."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is wanted. Names and meanings are those of the config file."""

    pool: str = ""
    """The pool, where its keys stand in `[models.NAME]`; empty where one model stands alone."""
    replicas: int = 1
    tensor_parallel_size: int = 1
    data_parallel_size: int = 1
    """Ranks within one engine that share its experts and split its samples (mixture-of-experts models)."""
    device: str = "auto"
    """auto (GPUs where there are any), cpu or gpu."""
    dtype: str = "auto"
    quantization: str = ""
    kv_cache_dtype: str = "auto"
    weight_bytes: int = 0
    """Size of the checkpoint's weights where known; 0 = computed from the config."""
    max_model_len: int = 0
    """Context in tokens; 0 = the model's own."""
    max_num_seqs: int = 0
    """Samples that a replica runs at once; 0 = those of runstore.sizes."""
    batched_tokens: int = BATCHED_TOKENS
    """Tokens that an engine on GPUs computes in one step at most."""
    tokens_per_sequence: int = 0
    """The most tokens a sample can hold (prompt and completion); 0 = the whole context."""
    concurrency: int = 0
    """Samples that a replica must hold at once, at `tokens_per_sequence` each; 0 = as many as fit."""
    gpu_memory_utilization: float = 0.90
    cpu_kv_cache_bytes: int = GIB
    cpus_per_replica: float = 1.0
    num_verifiers: int = 1
    cpus_per_verifier: float = 0.5
    workers_per_verifier: int = 1
    """Checks that one verifier runs side by side."""
    lean_worker_bytes: int = 0
    """Memory of each of them that runs a Lean of its own; 0 where none does."""
    num_writers: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes of one GPU, or on CPUs of one replica. `kv_cache` is what the rest leaves of `available`."""

    weights: int
    activations: int
    runtime: int
    kv_cache: int
    available: int

    def describe(self) -> str:
        parts = f"weights {gib(self.weights)} + activations {gib(self.activations)} + runtime {gib(self.runtime)}"
        return f"{parts} + KV cache {gib(self.kv_cache)} = {gib(self.available)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """What runs on one node."""

    node: str
    num_replicas: int
    num_verifiers: int


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A plan that fits."""

    device: str
    gpu_kind: str
    replicas: int
    tensor_parallel_size: int
    data_parallel_size: int
    memory: MemoryUse
    model: ModelSize
    max_model_len: int
    max_num_seqs: int
    kv_bytes_per_token: int
    kv_cache_tokens: int
    """Tokens that the KV cache of one replica holds (all its data parallel ranks)."""
    tokens_per_sequence: int
    full_length_sequences: int
    """Samples of `tokens_per_sequence` that one replica holds at once."""
    num_verifiers: int
    num_writers: int
    placements: tuple[Placement, ...]
    lean_workers: int = 0
    """Native Leans that each verifier may run side by side; 0 where no project is configured."""
    notes: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    """Settings that may give more throughput, each with what it changes."""

    @property
    def gpus_per_replica(self) -> int:
        return self.tensor_parallel_size * self.data_parallel_size if self.device == "gpu" else 0

    @property
    def num_gpus(self) -> int:
        return self.replicas * self.gpus_per_replica

    def to_json(self) -> dict[str, Json]:
        row: dict[str, Json] = dataclasses.asdict(self)
        row["model"]["weight_bytes"] = self.model.weight_bytes
        return {**row, "gpus_per_replica": self.gpus_per_replica, "num_gpus": self.num_gpus}

    def describe(self) -> str:
        """A few lines for a terminal."""
        lean = f" with {counted(self.lean_workers, 'Lean worker')} each" if self.lean_workers else ""
        nodes = [
            f"  {place.node}: {counted(place.num_replicas, 'replica')}, {counted(place.num_verifiers, 'verifier')}"
            for place in self.placements
        ]
        return "\n".join(
            [
                *self.model_lines(),
                f"workers     {counted(self.num_verifiers, 'verifier')}{lean}, {counted(self.num_writers, 'writer')}",
                *nodes,
                *self.note_lines(),
            ]
        )

    def note_lines(self) -> list[str]:
        """What the plan does not promise, and what may give more."""
        return [*(f"note: {note}" for note in self.notes), *(f"may give more: {offer}" for offer in self.offers)]

    def model_lines(self) -> list[str]:
        """The model, its replicas and what one of them holds."""
        shape = f"TP {self.tensor_parallel_size}"
        shape += f" × DP {self.data_parallel_size}" if self.data_parallel_size > 1 else ""
        where = f"{self.num_gpus} × {self.gpu_kind}" if self.device == "gpu" else "CPUs"
        each = "per GPU" if self.device == "gpu" else "per replica"
        parameters = self.model.num_parameters
        count = f"{parameters / 1e9:,.2f}B" if parameters >= 1e8 else f"{parameters / 1e6:,.2f}M"
        return [
            f"model       {self.model.family}, {count} parameters, weights {gib(self.model.weight_bytes)} "
            f"({self.model.dtype}{'' if self.model.exact else ', estimated: unknown architecture'})",
            f"replicas    {self.replicas} × {shape} on {where}",
            f"{each:<11} {self.memory.describe()}",
            f"KV cache    {self.kv_bytes_per_token / 1024:,.1f} KiB per token, "
            f"{self.kv_cache_tokens:,} tokens per replica: "
            f"{self.full_length_sequences:,} samples of {self.tokens_per_sequence:,} tokens at once "
            f"(up to {self.max_num_seqs:,} shorter ones), context {self.max_model_len:,}",
        ]


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class Refusal(Exception):
    """Why one request does not fit; alternatives are looked for by the caller."""


def fit(model_config: Config, request: PlanRequest, inventory: Inventory) -> Plan:
    """Raises Refusal or ModelSizeError."""
    size = model_size(model_config, request.dtype, request.kv_cache_dtype, request.quantization, request.weight_bytes)
    context = request.max_model_len or size.max_context
    if not context:
        raise Refusal("the model's config tells no context; set max_model_len")
    if size.max_context and context > size.max_context:
        raise Refusal(f"max_model_len = {context:,} is more than the model's own {size.max_context:,}")
    if size.num_heads % request.tensor_parallel_size:
        raise Refusal(f"tensor_parallel_size = {request.tensor_parallel_size} does not divide {size.num_heads} heads")
    tokens = min(request.tokens_per_sequence or context, context)
    gpu = request.device == "gpu" or (request.device == "auto" and inventory.num_gpus > 0)
    request = dataclasses.replace(
        request, max_num_seqs=request.max_num_seqs or (GPU_SEQUENCES if gpu else CPU_SEQUENCES)
    )
    # On CPUs the ranks share one memory, so a replica is sized as a whole.
    sizing = request if gpu else dataclasses.replace(request, tensor_parallel_size=1, data_parallel_size=1)
    if gpu:
        memory, kind, on_nodes = fit_gpus(size, request, inventory, context, tokens)
    else:
        memory, on_nodes = fit_cpus(size, sizing, inventory, context, tokens)
        kind = ""
    verifiers = place_verifiers(request, inventory, on_nodes)
    lean_workers = bound_lean_workers(
        request, inventory, verifiers, [0 if gpu else n * memory.available for n in on_nodes]
    )
    per_token = size.kv_bytes_per_token + size.window_kv_bytes_per_token
    shards = size.kv_shards(sizing.tensor_parallel_size)
    ranks = sizing.data_parallel_size
    full_length = memory.kv_cache // max(1, sequence_share(size, sizing, tokens)) * ranks
    return Plan(
        device="gpu" if gpu else "cpu",
        gpu_kind=kind,
        replicas=request.replicas,
        tensor_parallel_size=request.tensor_parallel_size,
        data_parallel_size=request.data_parallel_size,
        memory=memory,
        model=size,
        max_model_len=context,
        max_num_seqs=request.max_num_seqs,
        kv_bytes_per_token=per_token,
        kv_cache_tokens=memory.kv_cache * shards // max(1, per_token) * ranks,
        tokens_per_sequence=tokens,
        full_length_sequences=full_length,
        num_verifiers=request.num_verifiers,
        num_writers=request.num_writers,
        placements=tuple(
            Placement(node.name, on_nodes[i], verifiers[i])
            for i, node in enumerate(inventory.nodes)
            if on_nodes[i] or verifiers[i]
        ),
        lean_workers=lean_workers,
        notes=tuple(plan_notes(size, request, full_length, lean_workers)),
    )


def plan_notes(size: ModelSize, request: PlanRequest, full_length: int, lean_workers: int) -> Iterator[str]:
    """What a plan that fits does not promise."""
    if full_length < request.max_num_seqs:
        yield (
            f"max_num_seqs = {request.max_num_seqs:,}, but {full_length:,} samples fill the KV cache at full length: "
            "where most are that long, vLLM makes the others wait"
        )
    if 0 < lean_workers < request.workers_per_verifier:
        yield (
            f"memory bounds the Lean workers: {lean_workers} of {request.workers_per_verifier} per verifier, of "
            f"{gib(request.lean_worker_bytes)} each"
        )
    if not size.exact:
        yield f"{size.family!r} is not an architecture known here; sizes are those of a Llama-like decoder"


def sequence_share(size: ModelSize, request: PlanRequest, tokens: int) -> int:
    """Cache bytes of one sequence on one rank."""
    return -(-size.sequence_bytes(tokens) // size.kv_shards(request.tensor_parallel_size))


def activation_bytes(size: ModelSize, request: PlanRequest) -> int:
    """Peak of one step: residual stream and feed-forward of a full batch of tokens, and the logits of every sample."""
    elements = request.batched_tokens * (4 * size.hidden_size + 3 * size.widest / request.tensor_parallel_size)
    return int(elements * size.dtype_bytes + request.max_num_seqs * size.vocab_size * LOGIT_BYTES)


def memory_of_gpu(size: ModelSize, request: PlanRequest, gpu: Gpu) -> MemoryUse:
    """The memory use of one GPU. A negative `kv_cache` means that the rest does not fit."""
    ranks = request.tensor_parallel_size
    weights = size.shared_bytes // ranks + size.expert_bytes // (ranks * request.data_parallel_size)
    activations = activation_bytes(size, request)
    available = int(gpu.memory_bytes * request.gpu_memory_utilization)
    left = available - weights - activations - GPU_RUNTIME_BYTES
    return MemoryUse(weights, activations, GPU_RUNTIME_BYTES, left, available)


def needed_sequences(request: PlanRequest) -> int:
    """Sequences that one data parallel rank must hold."""
    return max(1, -(-request.concurrency // request.data_parallel_size))


def cache_shortfall(size: ModelSize, request: PlanRequest, memory: MemoryUse, context: int, tokens: int) -> str | None:
    """Why the KV cache is too small; None if it is large enough."""
    one = sequence_share(size, request, context)
    if memory.kv_cache < one:
        left = gib(max(0, memory.kv_cache))
        return f"one sequence of {context:,} tokens needs {gib(one)} of KV cache and {left} is left"
    wanted = needed_sequences(request)
    each = sequence_share(size, request, tokens)
    if request.concurrency and memory.kv_cache < wanted * each:
        return (
            f"{wanted:,} sequences of {tokens:,} tokens need {gib(wanted * each)} of KV cache and "
            f"{gib(memory.kv_cache)} is left, enough for {memory.kv_cache // each:,}"
        )
    return None


def fit_gpus(
    size: ModelSize, request: PlanRequest, inventory: Inventory, context: int, tokens: int
) -> tuple[MemoryUse, str, list[int]]:
    """Memory of the tightest GPU in use, its kind, and replicas by node. A replica's GPUs are all on one node."""
    if not inventory.num_gpus:
        raise Refusal("device = gpu, and there are no GPUs")
    world = request.tensor_parallel_size * request.data_parallel_size
    on_nodes = [0] * len(inventory.nodes)
    tightest: tuple[MemoryUse, str] | None = None
    reasons: list[str] = []
    left = request.replicas
    for index, node in enumerate(inventory.nodes):
        if not node.gpus:
            continue
        gpu = min(node.gpus, key=lambda gpu: gpu.memory_bytes)
        memory = memory_of_gpu(size, request, gpu)
        if wrong := gpu_shortfall(size, request, memory, gpu, context, tokens):
            reasons.append(wrong)
            continue
        room = len(node.gpus) // world
        if request.cpus_per_replica:
            room = min(room, int(node.num_cpus / request.cpus_per_replica + 1e-9))
        on_nodes[index] = min(left, room)
        left -= on_nodes[index]
        if on_nodes[index] and (tightest is None or memory.kv_cache < tightest[0].kv_cache):
            tightest = (memory, gpu.kind)
    if left or tightest is None:
        if reasons and tightest is None:
            raise Refusal(reasons[0])
        placed = request.replicas - left
        raise Refusal(
            f"{counted(request.replicas, 'replica')} of {counted(world, 'GPU')} and {request.cpus_per_replica:g} CPUs "
            f"each are wanted (the GPUs of a replica on one node), {placed} can be placed on\n{inventory.describe()}"
        )
    return *tightest, on_nodes


def gpu_shortfall(
    size: ModelSize, request: PlanRequest, memory: MemoryUse, gpu: Gpu, context: int, tokens: int
) -> str | None:
    share = f"{request.gpu_memory_utilization:.2f} of {gpu.kind}'s {gib(gpu.memory_bytes)}"
    used = memory.available - memory.kv_cache
    what = f"weights {gib(memory.weights)}, activations {gib(memory.activations)}, runtime {gib(memory.runtime)}"
    shape = f"TP {request.tensor_parallel_size} × DP {request.data_parallel_size}"
    if memory.kv_cache <= 0:
        return f"at {shape} a GPU must hold {gib(used)} ({what}); there are {gib(memory.available)} ({share})"
    if wrong := cache_shortfall(size, request, memory, context, tokens):
        return f"at {shape}, after {what}, {wrong} of {gib(memory.available)} ({share})"
    return None


def fit_cpus(
    size: ModelSize, request: PlanRequest, inventory: Inventory, context: int, tokens: int
) -> tuple[MemoryUse, list[int]]:
    """Memory of one replica, and replicas by node."""
    memory = MemoryUse(
        weights=size.weight_bytes,
        activations=activation_bytes(size, request),
        runtime=CPU_RUNTIME_BYTES,
        kv_cache=request.cpu_kv_cache_bytes,
        available=size.weight_bytes + activation_bytes(size, request) + CPU_RUNTIME_BYTES + request.cpu_kv_cache_bytes,
    )
    if wrong := cache_shortfall(size, request, memory, context, tokens):
        raise Refusal(f"{wrong} (cpu_kv_cache_gb = {request.cpu_kv_cache_bytes / GIB:g})")
    on_nodes = [0] * len(inventory.nodes)
    left = request.replicas
    for index, node in enumerate(inventory.nodes):
        room = node.memory_bytes // memory.available
        if request.cpus_per_replica:
            room = min(room, int(node.num_cpus / request.cpus_per_replica + 1e-9))
        on_nodes[index] = min(left, room)
        left -= on_nodes[index]
    if left:
        raise Refusal(
            f"{counted(request.replicas, 'replica')} of {gib(memory.available)} ({memory.describe()}) and "
            f"{request.cpus_per_replica:g} CPUs each are wanted, {request.replicas - left} can be placed on\n"
            f"{inventory.describe()}"
        )
    return memory, on_nodes


def place_verifiers(request: PlanRequest, inventory: Inventory, on_nodes: list[int]) -> list[int]:
    """Verifiers by node, on nodes without GPUs first, evenly. Raises Refusal where the CPUs do not suffice."""
    free = [node.num_cpus - on_nodes[i] * request.cpus_per_replica for i, node in enumerate(inventory.nodes)]
    placed = [0] * len(free)
    order = sorted(range(len(free)), key=lambda i: bool(inventory.nodes[i].gpus))
    for _ in range(request.num_verifiers):
        fitting = [i for i in order if free[i] + 1e-9 >= request.cpus_per_verifier]
        if not fitting:
            replicas = f"{counted(request.replicas, 'replica')} of {request.cpus_per_replica:g} CPUs"
            beside = f"beside {replicas} " if sum(on_nodes) else ""
            raise Refusal(
                f"{counted(request.num_verifiers, 'verifier')} of {request.cpus_per_verifier:g} CPUs are wanted; "
                f"{beside}there is room for {sum(placed)}"
            )
        best = min(fitting, key=lambda i: (bool(inventory.nodes[i].gpus), placed[i]))
        free[best] -= request.cpus_per_verifier
        placed[best] += 1
    return placed


def bound_lean_workers(request: PlanRequest, inventory: Inventory, placed: list[int], taken: list[int]) -> int:
    """Native Leans of each verifier that every node's memory holds beside what is `taken`, and at most as many as a
    verifier has workers. Raises Refusal where a node does not hold one for each of its verifiers."""
    if not request.lean_worker_bytes:
        return 0
    most = request.workers_per_verifier
    for node, verifiers, used in zip(inventory.nodes, placed, taken, strict=True):
        if not verifiers or not node.memory_bytes:  # a node that is yet to start may not say what it will have
            continue
        room = (node.memory_bytes - used) // request.lean_worker_bytes
        if room < verifiers:
            left = gib(max(0, node.memory_bytes - used))
            raise Refusal(
                f"{counted(verifiers, 'verifier')} with a Lean worker of {gib(request.lean_worker_bytes)} each "
                f"(verify.lean.native.memory_mb) are wanted on {node.name}, where {left} of memory is left"
            )
        most = min(most, room // verifiers)
    return most
