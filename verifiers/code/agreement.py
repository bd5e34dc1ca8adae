"""Which programs for a problem without an answer key do the same: code by its outputs on generated inputs.

A program is run when its sample is checked, on the inputs of verifiers.code.generated_inputs, in the sandbox and by the
rules of a check. Its answer is not its text but what it did: one digest for each input. So the answers of a problem are
short, and to compare them runs nothing.

Promises: two programs are equal only if they gave the same outputs on every input, and different only if both gave a
proper output on one input and these differ. A program that crashed where another one did not is undecided against it:
the input may be one that the problem does not allow. No vote has a program that meets a limit or a refusal, has too few
proper outputs, gives the same output whatever the input, or gives other outputs when the inputs come in another order.
Does not: say that an output is right.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from verifiers.code.cells.run import CellGoneError, Conversation, Deadline, Stop, run_job, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, denied_names, show
from verifiers.code.extraction import Program
from verifiers.code.judges import comparison, function, stdin
from verifiers.code.reference import Reference
from verifiers.partition import Relation, Relations, partition
from verifiers.types import Json, Limits, Problem, Status

MIN_PROPER = 4
"""Fewest inputs on which a program must give a proper output to have a vote."""
_CPU_S = 2.0
"""CPU seconds of a process: one run of a script, or all calls of a function. The rest are the limits of a check."""
_OUTPUT_KB = 256
_CRASHED = "-"
_DIGEST_CHARS = 16
_ANSWER = re.compile(rf"outputs on inputs ([0-9a-f]{{{_DIGEST_CHARS}}}):((?: (?:[0-9a-f]{{{_DIGEST_CHARS}}}|-))+)")


class _NoVoteError(Exception):
    """What the program did tells too little; the text says why."""


def is_behaviour(answer: str) -> bool:
    """Whether an answer is of the form that `evidence` gives."""
    return _ANSWER.fullmatch(answer) is not None


def evidence(slot: Slot, reference: Reference, program: Program, limits: Limits) -> dict[str, Json]:
    """What a verdict says of the program: `answer`, a digest for each input of `reference`, or `no_answer` and why.
    Raises SandboxError."""
    try:
        return {"answer": _behaviour(slot, reference, program, limits)}
    except _NoVoteError as error:
        return {"no_answer": str(error)}


def _behaviour(slot: Slot, reference: Reference, program: Program, limits: Limits) -> str:
    cpu_s, output_kb = min(limits.cpu_s, _CPU_S), min(limits.output_kb, _OUTPUT_KB)
    run = _printed if reference.mode == "stdin" else _returned
    keys, again = run(slot, reference, program, dataclasses.replace(limits, cpu_s=cpu_s, output_kb=output_kb))
    proper = [key for key in keys.values() if key is not None]
    if len(proper) < MIN_PROPER:
        raise _NoVoteError("the program has too few proper outputs on generated inputs")
    if len(set(proper)) == 1:
        raise _NoVoteError("the program has the same output on all generated inputs")
    if keys != again:
        raise _NoVoteError("the program has other outputs when it is run again")
    inputs = [[test.input, dict(test.kwargs), test.operations] for test in reference.tests]
    outputs = (_CRASHED if key is None else _digest(key) for _, key in sorted(keys.items()))
    return f"outputs on inputs {_digest(json.dumps([reference.compare, inputs]))}: {' '.join(outputs)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]


_Keys = dict[int, str | None]
"""For the place of an input the key of its output (verifiers.code.judges.comparison); None: there is no proper one."""


def _orders(reference: Reference) -> tuple[Sequence[int], Sequence[int]]:
    """The inputs run twice, the second time backwards."""
    places = range(len(reference.tests))
    return places, places[::-1]


def _printed(slot: Slot, reference: Reference, program: Program, limits: Limits) -> list[_Keys]:
    passes: list[_Keys] = []
    deadline = Deadline.after(limits.wall_s)
    with stdin.prepare(slot, reference, program, limits, deadline) as prepared:
        if isinstance(prepared, Outcome):
            raise _NoVoteError(prepared.reason)
        job, fds = prepared
        for order in _orders(reference):
            passes.append(keys := {})
            for place in order:
                data = str(reference.tests[place].input).encode("utf-8", "surrogatepass")
                run = run_job(slot, job, data, limits, deadline.sooner(reference.time_limit_s), extra_fds=fds)
                bad = stdin.ended_badly(run)
                if bad is not None and bad.status is not Status.REFUTED:
                    raise _NoVoteError(bad.reason)
                if stdin.refused_to(slot, program, run):
                    raise _NoVoteError("denied by the sandbox")
                text = run.stdout.decode("utf-8", "surrogateescape")
                keys[place] = None if bad else comparison.output_key(text, reference.compare)
    return passes


def _returned(slot: Slot, reference: Reference, program: Program, limits: Limits) -> list[_Keys]:
    """All calls of a pass share a process, so that an answer which rests on earlier calls differs in another order."""
    job = function.job_of(reference, program, limits)
    deadline = Deadline.after(limits.wall_s)
    return [_called(slot, reference, job, limits, deadline, order) for order in _orders(reference)]


def _called(
    slot: Slot, reference: Reference, job: dict[str, Json], limits: Limits, deadline: Deadline, order: Sequence[int]
) -> _Keys:
    keys: _Keys = {}
    with contextlib.ExitStack() as stack:
        conversation: Conversation | None = None
        for place in order:
            until = deadline.sooner(reference.time_limit_s)
            keys[place] = None
            try:
                if conversation is None:
                    conversation = stack.enter_context(Conversation(slot, job, limits))
                    if not _has(conversation.ask(None, until), "loaded"):
                        raise _NoVoteError("the program cannot be loaded")
                answer = conversation.ask(function.call_of(reference.tests[place]), until)
                if _has(answer, "value"):
                    keys[place] = comparison.value_key(answer["value"], reference.compare)
            except (CellGoneError, ValueError, RecursionError) as error:
                if isinstance(error, CellGoneError) and error.stop is not Stop.NONE:
                    raise _NoVoteError(str(error.stop)) from None
                # Gone, or no plain data, or too long or deep for a key: what else it may have sent is not read.
                stack.close()
                conversation = None
    return keys


def _has(answer: Any, wanted: str) -> bool:
    """Whether a cell says what was asked for. Raises _NoVoteError if it says that a limit was met."""
    if type(answer) is not dict:
        return False
    stop = stop_of_error(f"{show(answer.get('raised'))}: {show(answer.get('message', ''))}")
    if stop is not Stop.NONE or denied_names(answer):
        raise _NoVoteError(str(stop) or "denied by the sandbox")
    return wanted in answer


class CodeAgreement:
    """See verifiers.agreement.Engine. What is compared are texts that `evidence` gave."""

    def __init__(self, num_workers: int = 1, settings: Mapping[str, Json] | None = None) -> None:
        del num_workers, settings  # the programs were run when their samples were checked

    def pairs(self, problem: Problem, answers: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[bool | None]:
        same = _relation(problem, answers)
        return [same(one, other) for one, other in pairs]

    def classes(self, problem: Problem, answers: Sequence[str]) -> Relations:
        return partition(len(answers), _relation(problem, answers))

    def close(self) -> None:
        """There is nothing to close."""


def _relation(problem: Problem, answers: Sequence[str]) -> Relation:
    found = [_ANSWER.fullmatch(answer) for answer in answers]
    read = [(match[1], match[2].split()) if match else None for match in found]
    # Where several outputs are right, or close ones are, another output proves nothing.
    several = bool(problem.reference.get("several_answers") or problem.reference.get("tolerance"))

    def same(one: int, other: int) -> bool | None:
        left, right = read[one], read[other]
        if left is None or right is None or left[0] != right[0]:
            return None
        if left == right:
            return True
        outputs = zip(left[1], right[1], strict=False)
        differ = any(a != b and _CRASHED not in (a, b) for a, b in outputs)
        return False if differ and not several else None

    return same
