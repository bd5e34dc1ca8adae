"""Validates the Kubernetes manifests against KubeRay's own resource definitions.

    git clone --depth 1 https://github.com/ray-project/kuberay
    python -m benchmarks.manifests_against_crds kuberay/ray-operator/config/crd/bases

The API server drops a field that it does not know without a word. Here every object is closed, so that such a field is
an error, as are wrong types and values. The files of KubeRay are read where they lie; none is part of this repository,
whose tests have compact schemas of their own (tests/helpers/kuberay_schema.py).
Does not: apply the rules in CEL, nor know the kinds that are Kubernetes' own (Job, Ingress, …).
Exit codes: 0 all valid, 1 faults, each with file and place.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

MANIFESTS = Path(__file__).resolve().parents[1] / "cluster" / "manifests" / "kubernetes"


def schemas(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(apiVersion, kind) → closed schema."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        definition = yaml.safe_load(path.read_text())["spec"]
        for version in definition["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"].pop("metadata", None)
            close(schema)
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{definition['group']}/{version['name']}", definition["names"]["kind"]] = schema
    return found


def close(node: Any) -> None:
    """Makes every object with named properties refuse others, and a quantity what the API server takes."""
    if isinstance(node, dict):
        if node.pop("x-kubernetes-int-or-string", False):
            node.clear()
            node["type"] = ["integer", "string"]
        if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
            node.setdefault("additionalProperties", False)
        for value in list(node.values()):
            close(value)
    elif isinstance(node, list):
        for value in node:
            close(value)


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The file's resources, and those that its ConfigMaps carry."""
    for document in yaml.safe_load_all(path.read_text()):
        yield document
        for text in document.get("data", {}).values():
            yield yaml.safe_load(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("definitions", type=Path, help="KubeRay's folder config/crd/bases")
    known = schemas(parser.parse_args().definitions)
    if not known:
        parser.error("no resource definitions there")
    checked = faults = 0
    for path in sorted(MANIFESTS.glob("*.yaml")):
        for document in documents(path):
            schema = known.get((document["apiVersion"], document["kind"]))
            if schema is None:
                continue
            checked += 1
            for error in jsonschema.Draft7Validator(schema).iter_errors(document):
                faults += 1
                place = "/".join(str(part) for part in error.absolute_path)
                print(f"{path.name}: {document['kind']}: {place}: {error.message[:300]}")
    print(f"{checked} resources checked, {faults} faults")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
