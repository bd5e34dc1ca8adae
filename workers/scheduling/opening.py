"""Opens problems and the stages that they go through, and replays what is durable of each stage. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from runstore.durable import DurableRow
from workers.sampling.problem_state import OUTCOME_OF_STATUS, KeylessState, ProblemState, SampleOutcome
from workers.sampling.votes import Placed
from workers.scheduling.routes import Route, RouteStage, is_audited, is_solved_by_plan
from workers.scheduling.rule_texts import RuleTexts
from workers.scheduling.sample_state import LedgerSettings, OpenProblem, ProblemEntry, StagedProblem


class Missing(NamedTuple):
    """A sample that a resume has to draw: the first attempt `base` itself, or the round after the attempt `parent`."""

    base: int
    parent: DurableRow | None
    round: int


class Opener:
    """Owned by the ledger."""

    def __init__(
        self, routes: Sequence[Route], settings: LedgerSettings, durable: Mapping[str, Sequence[DurableRow]] | None
    ) -> None:
        self._routes = routes
        self._settings = settings
        self._durable = durable or {}
        self._rules = RuleTexts()

    def rows(self, problem_id: str) -> Sequence[DurableRow]:
        """What is durable of a problem, all stages together."""
        return self._durable.get(problem_id, ())

    def stage_of(self, entry: ProblemEntry, row: DurableRow) -> RouteStage:
        stages = self._routes[entry.route].stages
        return next((stage for stage in stages if stage.holds(row.sample_index)), stages[-1])

    def open(self, number: int, chunk: int, row: int, entry: ProblemEntry, rows: Sequence[DurableRow]) -> OpenProblem:
        """The problem at the beginning of its first stage. `rows` are durable; raises ChangedRouteError where they
        come from other stages."""
        settings, route = self._settings, self._routes[entry.route]
        at = route.stages[0]
        state = at.policy.open(number, entry.domain, keyless=entry.keyless)
        if rows:
            rule = self._rules.shared(rows[0].stopping_rule)
            stored = self._rules.read(rule)
            route.check(entry.id, stored)
            state.plan, audited = stored.plans[0], stored.audited
        else:
            audited = len(route.stages) > 1 and is_audited(settings.run_seed, entry.id, settings.audit)
            rule = self._rules.of(route.rule_of(state, audited))
        if at.following is None:
            return OpenProblem(entry, chunk, row, at, state, rule)
        return StagedProblem(entry, chunk, row, at, state, rule, audited=audited)

    def move_on(self, problem: OpenProblem) -> bool:
        """Opens the stage after the one that has settled, if that failed, or if the problem is audited. False: there is
        none, or it is not needed."""
        following, is_solved = problem.at.following, is_solved_by_plan(problem.state)
        if following is None or (is_solved and not problem.audited):
            return False
        assert isinstance(problem, StagedProblem)
        is_extra = is_solved or following.index > problem.first_extra
        state = following.policy.open(problem.state.number, problem.state.domain, is_extra, problem.state.keyless)
        state.plan = self._rules.read(problem.rule).plans[following.index]
        problem.move_on(following, state, is_extra=is_solved)
        return True

    def restore(
        self, problem: OpenProblem, rows: Sequence[DurableRow], wants_repair: Callable[[int, SampleOutcome], bool]
    ) -> list[Missing]:
        """Replays what is durable of the open stage in its policy. Returns what has to be drawn under an index below
        the highest durable one. `wants_repair` says whether a round with this outcome is followed by another one."""
        at = problem.at
        chains: dict[int, list[DurableRow]] = {}
        for row in rows:
            if at.holds(row.sample_index):
                chains.setdefault(at.base_of(row.sample_index), []).append(row)
        if not chains:
            return []
        replay_chains(at, problem.state, chains, wants_repair)
        # A chain may lack earlier rounds, since a process can die between the parts of two writers.
        last = {base: max(chain, key=lambda row: row.round) for base, chain in chains.items()}
        parents = [(base, last.get(base)) for base in at.policy.missing(problem.state)]
        return [Missing(base, parent, parent.round + 1 if parent else 0) for base, parent in parents]


def replay_chains(
    at: RouteStage,
    state: ProblemState,
    chains: Mapping[int, Sequence[DurableRow]],
    wants_repair: Callable[[int, SampleOutcome], bool],
) -> None:
    """Tells the policy what came of each chain of rounds, and whether the stage is settled by it."""
    outcomes: dict[int, SampleOutcome] = {}
    tokens: dict[int, int] = {}
    keys: dict[int, int] = {}
    placed: dict[int, Placed] = {}
    for base, chain in chains.items():
        last = max(chain, key=lambda row: row.round)
        outcome = OUTCOME_OF_STATUS[last.status]
        if last.round and outcome is SampleOutcome.VERIFIED:
            outcome = SampleOutcome.REPAIRED
        keys[base] = last.solution_key
        tokens[base] = sum(row.completion_tokens for row in chain)
        if not wants_repair(last.round, outcome):
            outcomes[base] = outcome
        if isinstance(state, KeylessState) and last.agreement:
            placed[base] = Placed.from_json(json.loads(last.agreement), last.answer or "")
    if isinstance(state, KeylessState):
        for base in sorted(placed):
            state.votes.place(base, placed[base])
    state.next_index = max(chains) + 1
    at.policy.restore(state, outcomes, tokens, keys)
