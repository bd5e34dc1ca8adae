"""What the ledger keeps of one open problem and of one sample on its way, and the counts of a run. Plain values."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from runstore.batches import VerdictRow
from runstore.durable import DurableRow
from runstore.sizes import PENDING_BYTES
from verifiers.types import Status
from workers.messages import Finished, Parent, SampleBatch, SampleKey
from workers.sampling.budget import TokenPrices
from workers.sampling.problem_state import ProblemState
from workers.scheduling.routes import RouteStage


class Stage(IntEnum):
    QUEUED = 0
    DRAWING = 1
    FINISHED = 2
    CHECKING = 3
    CHECKED = 4
    WRITING = 5


class ProblemEntry(NamedTuple):
    """What the coordinator is told of a problem; the problem itself lies in a chunk."""

    id: str
    kind: str
    domain: str
    route: int = 0
    """Index of CoordinatorSettings.routes."""
    keyless: bool = False
    """Whether it has no answer key, so that each of its samples is `unchecked`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LedgerSettings:
    run_seed: int
    max_tokens: int
    """Most tokens that a sample may have, in pools that do not say it for themselves."""
    prices: Mapping[int, TokenPrices] = dataclasses.field(default_factory=dict)
    """Pool → what its tokens cost, where they are paid for."""
    audit: float = 0.0
    """See CoordinatorSettings.audit."""
    repair_rounds: int = 0
    repair_kinds: frozenset[str] = frozenset()
    evidence_chars: int = 2000
    check_attempts: int = 3
    sample_attempts: int = 3
    cut_attempts: int = 8
    """Attempts at a sample whose answers are cut off. Each of them waits for room in the budget."""
    max_unchecked: int = 20_000
    max_pending_bytes: int = PENDING_BYTES
    prompt_share: float = 0.1
    """Mean prompt over mean output, in tokens, above which samples prefer the replica that has their prompt in its
    cache. Below it, computing a prompt once more costs little beside the output."""
    short_prompt: int = 128
    """Mean prompt, in tokens, up to which none prefers any. So few tokens are computed beside the next step of the
    samples that run, which reads the model's weights anyway, at no cost that could be measured."""

    def attempts_after(self, row: Finished) -> int:
        """Attempts that a sample has which ended like this row, without a text."""
        return self.cut_attempts if row.is_cut else self.sample_attempts


class OpenProblem:
    """A problem with samples still to draw, check or write."""

    __slots__ = ("at", "chunk", "held", "id", "kind", "num_rows", "replica", "row", "rule", "state")

    audited = False
    first_extra = sys.maxsize
    """The first stage that is drawn only because of the audit."""

    def __init__(
        self, entry: ProblemEntry, chunk: int, row: int, at: RouteStage, state: ProblemState, rule: str
    ) -> None:
        self.id = entry.id
        self.kind = sys.intern(entry.kind)
        self.chunk = chunk
        self.row = row
        self.at = at
        """The stage of its route that is open."""
        self.state = state
        """How that stage stands. It is settled only when the whole problem is, since the next one is opened at once."""
        self.rule = rule
        self.num_rows = 0
        """Samples in flight or held."""
        self.held: list[SampleState] | None = None
        """Aborted samples that are held back until the other rows of the problem are durable."""
        self.replica = -1
        """The replica that drew a first attempt last, and so has the prompt in its cache; -1 for none."""

    @property
    def is_solved(self) -> bool:
        return self.state.solved


class StagedProblem(OpenProblem):
    """A problem whose route has several stages. Most runs have no such problem and millions of the other kind."""

    __slots__ = ("audited", "first_extra", "former")

    def __init__(self, *args: Any, audited: bool = False) -> None:
        super().__init__(*args)
        self.audited = audited
        self.first_extra = sys.maxsize
        self.former: list[ProblemState] = []
        """The stages that are settled, in order."""

    @property
    def is_solved(self) -> bool:
        return self.state.solved or any(state.solved for state in self.former)

    def move_on(self, at: RouteStage, state: ProblemState, is_extra: bool) -> None:
        """Opens the next stage. `is_extra`: only the audit asks for it."""
        if is_extra:
            self.first_extra = min(self.first_extra, at.index)
        self.former.append(self.state)
        self.at, self.state = at, state
        self.replica = -1


MAX_STALLS = 3
"""Number of replicas that may stand still over one sample before it ends as an error. A prompt that hangs an engine
would otherwise take one replica after the other."""
STORY_MOVES = 20
"""Number of latest changes of state that a sample's story tells."""


class SampleState:
    """One sample on its way."""

    __slots__ = (
        "aborted",
        "at",
        "attempt",
        "base",
        "batch",
        "batch_row",
        "check_attempts",
        "finished",
        "key",
        "num_bytes",
        "parent",
        "parent_index",
        "problem",
        "repaired",
        "replica",
        "round",
        "since",
        "stage",
        "stalls",
        "state",
        "status",
        "story",
        "suspect",
        "verdict",
        "worker",
    )

    def __init__(self, problem: OpenProblem, key: SampleKey, base: int) -> None:
        self.problem = problem
        self.key = key
        self.at = problem.at
        """The stage of its problem's route that it belongs to, and how the problem stands there."""
        self.state = problem.state
        self.base = base
        """Number of its first attempt within its stage, as the policy knows it; a repair has that of its chain."""
        self.round = 0
        self.parent_index: int | None = None
        self.parent: Parent | None = None
        self.repaired = False
        """Whether it has a follow-up turn already, in flight or durable."""
        self.attempt = 1
        self.stage = Stage.QUEUED
        self.worker = -1
        """Number of the replica or verifier that has it; -1 for none."""
        self.replica = -1
        """The replica that drew it last; until then the one that drew its parent, -1 for a first attempt."""
        self.since = 0.0
        """When it entered its stage, in the caller's clock."""
        self.batch: SampleBatch | None = None
        self.batch_row = -1
        self.finished: Finished | None = None
        self.num_bytes = 0
        self.aborted = False
        self.stalls = 0
        """Number of replicas that stood still while they drew it."""
        self.suspect = False
        """Whether a verifier died while it had this row. A suspect is checked alone, to find the row to blame."""
        self.check_attempts = 0
        self.status: Status | None = None
        """The final verdict's status."""
        self.verdict: VerdictRow | None = None
        self.story: list[Any] = []
        """Its latest changes of state, at least STORY_MOVES of them if there were so many, oldest first. Each change is
        three entries: the time on the caller's clock, the stage, and the worker that had the sample from then on (-1
        for none). The list is flat because the coordinator records about five changes per sample."""

    def is_last_chance(self) -> bool:
        """Whether it ends as an error if one more replica stands still beside it."""
        return self.stalls == MAX_STALLS - 1

    def home(self) -> int:
        """The replica that has the beginning of its prompt in its cache; -1 for none. A sample beside which a replica
        stood still prefers none: its like should not come together again."""
        if self.stalls:
            return -1
        return self.replica if self.replica >= 0 else self.problem.replica

    def drawn_by(self, replica: int) -> None:
        """Notes which replica draws it. Further samples of its problem follow, unless it may be what makes a replica
        stand still."""
        self.replica = replica
        if not self.round and not self.stalls:
            self.problem.replica = replica

    def refusal(self) -> str:
        """Why it is not drawn any more; empty: it is."""
        if self.stalls < MAX_STALLS:
            return ""
        return f"{self.stalls} replicas stood still while they drew this sample"


RATED = ("samples", "durable", "completion_tokens")
"""The counts of `Totals` that are shown per second."""


def own_work(figures: Mapping[str, Any], name: str) -> int:
    """How much of a count in `RATED` this start of the run added, from figures of a run at work."""
    return int(figures.get(name, 0)) - int(figures.get("restored", {}).get(name, 0))


@dataclasses.dataclass(slots=True)
class Totals:
    """Counts over the whole run, rows of earlier starts included."""

    problems_opened: int = 0
    problems_closed: int = 0
    problems_solved: int = 0
    problems_settled: int = 0
    problems_lost: int = 0
    """Problems that ended because their pool was lost."""
    problems_resumed: int = 0
    """Problems settled by what earlier starts made durable."""
    samples: int = 0
    """Rows with a verdict."""
    aborted: int = 0
    withdrawn: int = 0
    """Tasks taken back before they began."""
    durable: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    aborted_tokens: int = 0
    saved_tokens: int = 0
    """Estimate of the tokens that aborted samples would still have taken, from the mean length of finished ones."""
    generation_s: float = 0.0
    verify_s: float = 0.0
    verdicts: dict[tuple[str, str], int] = dataclasses.field(default_factory=dict)
    """(kind of problem, status) → number of verdicts."""
    retries: dict[str, int] = dataclasses.field(default_factory=dict)
    restored: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(RATED, 0))
    """How much of each count in `RATED` earlier starts of the run made durable. A rate leaves it out, since these
    counts come back while the problems are fed."""

    @property
    def statuses(self) -> dict[str, int]:
        """Verdicts by status, of all kinds together."""
        counts: dict[str, int] = {}
        for (_, status), count in self.verdicts.items():
            counts[status] = counts.get(status, 0) + count
        return counts

    def count(
        self, kind: str, status: str | None, prompt: int, completion: int, generation_s: float, verify_s: float
    ) -> None:
        """Adds one row; `status` None: an aborted sample."""
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        self.generation_s += generation_s
        self.verify_s += verify_s
        if status is None:
            self.aborted += 1
            self.aborted_tokens += completion
        else:
            self.samples += 1
            verdict = kind, status
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1

    def restore(self, kind: str, row: DurableRow) -> None:
        """Adds one row that an earlier start of the run made durable."""
        before = self.samples
        self.count(kind, row.status, row.prompt_tokens, row.completion_tokens, row.generation_s, row.verify_s)
        self.durable += 1
        grown = {"samples": self.samples - before, "durable": 1, "completion_tokens": row.completion_tokens}
        for name, count in grown.items():
            self.restored[name] += count

    def uncount(self, kind: str, status: Status | None) -> None:
        """Takes back the verdict of a sample that has to be drawn again; what the sample cost stays counted."""
        if status is not None:
            self.samples -= 1
            self.verdicts[kind, str(status)] -= 1

    def count_retry(self, why: str) -> None:
        self.retries[why] = self.retries.get(why, 0) + 1
