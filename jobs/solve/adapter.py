"""Checks a LoRA adapter (`model.lora`) against its model, from file headers alone, so that a dry-run can.

Promises: an adapter whose layers the model does not have, or has in another size, is refused with one line that names
the first such layer. Nothing is loaded and no code of the folder runs.
Does not: know whether an adapter of the right shape was trained on this very model; base_model_name_or_path is told.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from jobs.config import ConfigError
from verifiers.types import Json

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MAX_HEADER_BYTES = 100 << 20
"""Longest header of a safetensors file, which the format itself bounds like this."""
_HALF = re.compile(r"^(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<half>[AB])\.(?:default\.)?weight$")
_LAYER = re.compile(r"\blayers\.(\d+)\.")

Shape = tuple[int, ...]


def check_adapter(lora: str, model_path: str, model_config: Mapping[str, Json]) -> None:
    """Raises ConfigError where the adapter at `lora` is not one of this model."""
    folder = Path(lora)
    if not folder.is_dir():
        raise ConfigError(f"model.lora = {lora!r}: no such folder here; download the adapter and name its folder")
    about = read_about(folder)
    modules = modules_of(folder / WEIGHTS, lora)
    base = f" (it was trained on {about['base_model_name_or_path']})" if about.get("base_model_name_or_path") else ""
    known = tensors_of(Path(model_path))
    for module, (inputs, outputs) in modules.items():
        wrong = difference(module, inputs, outputs, known, model_config)
        if wrong:
            raise ConfigError(f"model.lora = {lora!r}: an adapter of another architecture{base}: {wrong}")


def read_about(folder: Path) -> dict[str, Json]:
    """The adapter's own config. Raises ConfigError."""
    file = folder / CONFIG
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.lora = {str(folder)!r}: no readable {CONFIG} there: {error}") from None
    rank = about.get("r") if isinstance(about, dict) else None
    if not isinstance(rank, int) or rank < 1 or about.get("peft_type", "LORA") != "LORA":
        raise ConfigError(f"{file}: expected a LoRA adapter: peft_type LORA with its rank r, a whole number above 0")
    return dict(about)


def modules_of(file: Path, lora: str) -> dict[str, tuple[int, int]]:
    """Module → (size of its input, size of its output), from the two halves of each. Raises ConfigError."""
    if not file.is_file():
        raise ConfigError(f"model.lora = {lora!r}: no {WEIGHTS} there; save the adapter as safetensors")
    halves: dict[str, dict[str, Shape]] = {}
    for name, shape in header(file).items():
        if match := _HALF.match(name):
            halves.setdefault(match["module"], {})[match["half"]] = shape
    if not halves:
        raise ConfigError(f"{file}: has no tensor of a LoRA adapter (….lora_A.weight)")
    sizes = {}
    for module, pair in halves.items():
        if set(pair) != {"A", "B"} or any(len(shape) != 2 for shape in pair.values()) or pair["A"][0] != pair["B"][1]:
            raise ConfigError(f"{file}: {module}: expected lora_A of [r, in] and lora_B of [out, r]")
        sizes[module] = pair["A"][1], pair["B"][0]
    return sizes


def header(file: Path) -> dict[str, Shape]:
    """Tensor → shape of a safetensors file. Raises ConfigError."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > MAX_HEADER_BYTES:
                raise ValueError(f"its header would have {length:,} bytes")
            table = json.loads(stream.read(length))
        return {name: tuple(about["shape"]) for name, about in table.items() if name != "__metadata__"}
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file}: not a readable safetensors file: {error}") from None


def tensors_of(folder: Path) -> dict[str, Shape]:
    """The tensors of a local model; empty where there are none to read."""
    found: dict[str, Shape] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        found |= header(file)
    return found


def difference(
    module: str, inputs: int, outputs: int, known: Mapping[str, Shape], model_config: Mapping[str, Json]
) -> str:
    """What of a module the model does not have; empty where it fits or cannot be told."""
    if "experts" in module:
        return ""  # checkpoints and adapters name and fuse the experts of a layer in different ways
    layer = _LAYER.search(module)
    if known:
        # A checkpoint of several modalities has another beginning of the name than one of its language model.
        name = f"{module[layer.start() :] if layer else module}.weight"
        shape = next((known[other] for other in known if other == name or other.endswith(f".{name}")), None)
        if shape is None:
            return f"the model has no {module}"
        is_packed = len(shape) != 2 or bool(model_config.get("quantization_config"))
        if is_packed or shape == (outputs, inputs):
            return ""
        return f"{module} takes {inputs} to {outputs} there, and {shape[1]} to {shape[0]} in the model"
    text = model_config.get("text_config") or model_config
    layers = text.get("num_hidden_layers")
    if layer and isinstance(layers, int) and int(layer[1]) >= layers:
        return f"it has {module}, and the model has {layers} layers"
    expected = sizes_by_name(text).get(module.rpartition(".")[2])
    if expected and expected != (inputs, outputs):
        return f"{module} takes {inputs} to {outputs} there, and {expected[0]} to {expected[1]} in the model"
    return ""


def sizes_by_name(config: Mapping[str, Json]) -> dict[str, tuple[int, int]]:
    """(input, output) of the modules that most architectures share, from a config.json; empty where it does not say."""
    hidden, heads, inner = (config.get(key) for key in ("hidden_size", "num_attention_heads", "intermediate_size"))
    if not isinstance(hidden, int) or not isinstance(heads, int) or not heads:
        return {}
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, (config.get("num_key_value_heads") or heads) * head
    sizes = {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
    }
    is_gated = config.get("attn_output_gate")  # q_proj is twice as wide there
    if is_gated:
        del sizes["q_proj"]
    if isinstance(inner, int) and not config.get("num_experts") and not config.get("n_routed_experts"):
        sizes |= {"gate_proj": (hidden, inner), "up_proj": (hidden, inner), "down_proj": (inner, hidden)}
    return sizes
