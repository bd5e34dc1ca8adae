"""What became of one reading of a text, and how an outcome of the embedded engine reads as that.

Pure. A finding becomes a verdict in checker.py; of several readings of a text the most telling one counts.
"""

from __future__ import annotations

import dataclasses

from verifiers.lean.assembly import Source, mathlib_word, needs_solver
from verifiers.lean.embedded.engine import Outcome
from verifiers.types import Json, Status

MAX_EVIDENCE_CHARS = 2000
"""Characters of an error's message that a finding keeps."""
_SECOND_KERNEL_REASONS = {
    "absent": "second kernel did not start",
    "library": "second kernel does not take the library",
    "resources": "second kernel ran out of resources",
}
"""Reason by outcome. Every other outcome says that its process died."""
_RESOURCE_MARKS = ("(deterministic) timeout", "maximum number of heartbeats")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What became of one reading of a text."""

    status: Status
    reason: str
    evidence: dict[str, Json]


def is_guess(source: Source) -> bool:
    return source.form in ("tactics", "term")


def how_telling(finding: Finding) -> int:
    """How far a reading came: of a text's readings the one that came furthest says most, the first one if equal."""
    error = finding.evidence.get("error")
    if error is None:
        return 3 if finding.status is not Status.MALFORMED else 0
    if "has already been declared" in error["message"]:
        return 0
    return 1 if finding.evidence.get("phase") == "parse" else 2


def is_gibberish(finding: Finding) -> bool:
    """Whether Lean could make nothing of the text, as of a sentence in English."""
    error = finding.evidence.get("error") or {}
    unknown = error.get("message", "").startswith("Unknown identifier") and error.get("line") == 1
    return finding.evidence.get("phase") == "parse" or unknown


def read_outcome(outcome: Outcome, source: Source, evidence: dict[str, Json]) -> Finding:
    """An outcome as a finding, with the evidence that belongs to it."""
    answer = outcome.answer
    match outcome.stage:
        case "verified":
            evidence["axioms"] = answer.get("axioms", [])
            evidence["replayed"] = answer.get("replayed", 0)
            evidence["kernels"] = answer["kernels"]
            if len(answer["kernels"]) > 1:
                evidence["tier"] = f"{evidence['tier']}+kernels{len(answer['kernels'])}"
            if answer.get("second_kernel"):
                evidence["second_kernel"] = str(answer["second_kernel"])[:500]
            if answer.get("headerAxioms"):
                evidence["header_axioms"] = answer["headerAxioms"]
            return Finding(Status.VERIFIED, "proved", evidence)
        case "policy":
            return Finding(Status.REFUTED, f"policy: {answer['veto']}"[:200], evidence)
        case "elaboration":
            return _error(answer, source, evidence)
        case "name":
            found = answer.get("found")
            if found:
                return Finding(Status.REFUTED, f"not a theorem but {found}"[:100], evidence)
            return Finding(Status.MALFORMED, "theorem not found", evidence)
        case "export":
            evidence["detail"] = str(answer["unexportable"])[:500]
            if "too large" in evidence["detail"]:
                return Finding(Status.UNDECIDED, "proof too large", evidence)
            return Finding(Status.REFUTED, "not a finished proof", evidence)
        case "statement":
            return Finding(Status.REFUTED, "states something else", evidence)
        case "axioms":
            evidence["axioms"] = [str(a)[:200] for a in answer.get("axioms", [])]
            return Finding(Status.REFUTED, "uses other axioms", evidence)
        case "resources":
            evidence["detail"] = str(answer.get("detail", ""))[:500]
            return Finding(Status.UNDECIDED, "kernel replay ran out of resources", evidence)
        case "unsupported":
            evidence["detail"] = str(answer.get("detail", ""))[:500]
            return Finding(Status.UNDECIDED, "inductive type out of the ordinary", evidence)
        case "kernel":
            evidence["detail"] = str(answer.get("detail", ""))[:500]
            return Finding(Status.REFUTED, "kernel rejected", evidence)
        case "disagreement":
            evidence["detail"] = str(answer["detail"])[:500]
            evidence["export"] = answer["export"]
            return Finding(Status.UNDECIDED, "kernels disagree", evidence)
        case "second kernel":
            evidence["detail"] = str(answer["detail"])[:500]
            reason = _SECOND_KERNEL_REASONS.get(answer["outcome"], "second kernel died")
            return Finding(Status.UNDECIDED, reason, evidence)
        case other:
            evidence["detail"] = other[:500]
            return Finding(Status.ERROR, "audit failed", evidence)


def about_this_lean(finding: Finding, source: Source) -> Finding:
    """A failure that says more of the embedded Lean than of the proof: its solver and Mathlib are not there."""
    failed = finding.status is Status.REFUTED and ("error" in finding.evidence or "axioms" in finding.evidence)
    if failed and needs_solver(source):
        return Finding(Status.UNDECIDED, "bv_decide needs a SAT solver, which is not here", finding.evidence)
    if not failed or not (word := mathlib_word(source)):
        return finding
    if source.foreign:
        return Finding(Status.UNDECIDED, f"needs {source.foreign}: the problem does not import it", finding.evidence)
    return Finding(finding.status, f"{finding.reason}: only Mathlib has `{word}`", finding.evidence)


def _error(answer: dict[str, Json], source: Source, evidence: dict[str, Json]) -> Finding:
    errors = [m for m in answer["messages"] if m.get("severity") == "error"]
    first = errors[0]
    text = str(first.get("text", ""))
    evidence["error"] = {
        "line": source.line_in_text(int(first.get("line", 1))),
        "column": max(int(first.get("column", 0)) - source.indent, 0),
        "message": text[:MAX_EVIDENCE_CHARS],
    }
    evidence["num_errors"] = len(errors)
    evidence["phase"] = "parse" if first.get("phase") == "parse" else "elaboration"
    if goals := [g for g in text.split("\n") if g.startswith("⊢")]:
        evidence["goals"] = [g[:500] for g in goals[:20]]
    if any(mark in str(m.get("text", "")) for m in errors for mark in _RESOURCE_MARKS):
        return Finding(Status.UNDECIDED, "heartbeat limit", evidence)
    if evidence["phase"] == "parse":
        return Finding(Status.REFUTED, "syntax error", evidence)
    return Finding(Status.REFUTED, "Lean error", evidence)
