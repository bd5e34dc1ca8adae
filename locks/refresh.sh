#!/usr/bin/env bash
# Resolves pyproject.toml again and rewrites both locks. Run from anywhere; needs `uv` on PATH (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile pyproject.toml --python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet "$@"; }
# A CPU-only machine needs none of the CUDA libraries that torch's ordinary wheel names.
compile --extra cpu --extra dojo --extra dev --override locks/cpu.overrides | grep -vE '^(nvidia-|cuda-|triton)' >locks/cpu.txt.new
compile --extra gpu --extra dev >locks/gpu.txt.new
mv locks/cpu.txt.new locks/cpu.txt
mv locks/gpu.txt.new locks/gpu.txt
wc -l locks/cpu.txt locks/gpu.txt
