"""What is known of every open problem and of every sample in flight. Pure: no Ray, no clock, no storage.

    queued ─next_tasks─► drawing ─finished─► finished ─next_checks─► checking ─checked─► checked ─cut─► writing ─► …
      ▲                     │ replica died      │ batch lost            │ verifier died     ▲              │
      └─────────────────────┴───────────────────┘                       └► finished again   └ write failed ┘

Promises: a sample is in exactly one stage; only `durable` forgets it; an answer that comes twice or too late is ignored
(its attempt number shows it); aborted rows of a problem are written only after all its other rows are durable, so a
resume never finds an aborted sample whose settling evidence was lost. A problem leaves memory with its last row.
Does not: see texts (of answers without a key it keeps some: workers.sampling.votes), choose priorities, touch storage.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from runstore.batches import VerdictRow, packed_error, reason_and_evidence
from runstore.durable import DurableRow
from runstore.schema import sample_seed
from verifiers.types import Status
from workers.messages import Checked, CheckItem, Finished, Parent, SampleBatch, SampleKey, SampleTask
from workers.prompting.messages import finding_for_model
from workers.sampling.budget import Budget
from workers.sampling.plan import BUDGET, LOST, UNFINISHED
from workers.sampling.problem_state import OUTCOME_OF_STATUS, KeylessState, SampleOutcome
from workers.scheduling import invariants
from workers.scheduling.check_items import check_items
from workers.scheduling.check_queue import CheckQueue
from workers.scheduling.opening import Opener
from workers.scheduling.pool_queues import PoolQueues
from workers.scheduling.routes import Route
from workers.scheduling.sample_state import LedgerSettings, OpenProblem, ProblemEntry, SampleState, Stage, Totals
from workers.scheduling.write_queue import UNWRITTEN_PER_UNCHECKED, WriteQueue

log = logging.getLogger("proofmill.ledger")


class Ledger:
    """Owned by the coordinator, used from its one thread."""

    def __init__(
        self,
        settings: LedgerSettings,
        routes: Sequence[Route],
        budget: Budget,
        durable: Mapping[str, Sequence[DurableRow]] | None = None,
    ) -> None:
        self.settings = settings
        self.budget = budget
        self.totals = Totals()
        self._opener = Opener(routes, settings, durable)
        self._problems: dict[int, OpenProblem] = {}
        self._samples: dict[SampleKey, SampleState] = {}
        self.queues = PoolQueues(routes, self.totals, settings, self._problems, self._waits, self._open_sample)
        self.checks = CheckQueue()
        self.writes = WriteQueue()
        self._with_suspect: set[int] = set()
        """Verifiers that are checking a suspect; they get no other row meanwhile."""
        self._chunk_uses: dict[int, int] = {}
        self._num_stage = [0] * len(Stage)
        self._pending_bytes = 0
        self._next_number = 0
        self._now = 0.0
        """The latest time that a caller has passed in."""
        self._budget_reason = ""

    # Problems.

    def feed(self, chunk: int, entries: Sequence[ProblemEntry]) -> None:
        """Opens the problems of a chunk, in file order, and restores what is already durable of them."""
        for row, entry in enumerate(entries):
            number = self._next_number
            self._next_number += 1
            rows = self._opener.rows(entry.id)
            problem = self._problems[number] = self._opener.open(number, chunk, row, entry, rows)
            self.totals.problems_opened += 1
            self.queues.open[problem.at.pool] += 1
            self._chunk_uses[chunk] = self._chunk_uses.get(chunk, 0) + 1
            for stored in rows:
                self.queues.restore(entry.kind, self._opener.stage_of(entry, stored).pool, stored)
            self._begin_stage(problem, rows)
            if rows and problem.state.settled and problem.state.settled not in UNFINISHED:
                self.totals.problems_resumed += 1
            self._close_if_done(problem)

    def _begin_stage(self, problem: OpenProblem, rows: Sequence[DurableRow]) -> None:
        """Restores what is durable of the stage that was just opened, and queues what it wants."""
        at = problem.at
        if rows:
            missing = self._opener.restore(problem, rows, lambda *last: self._wants_repair(problem, *last))
            if problem.state.settled:
                self._end_stage(problem)
                return
            for base, parent, round_ in missing:
                sample = self._open_sample(problem, at.sample_index(base, round_), base)
                if parent:
                    sample.round, sample.parent_index = round_, parent.sample_index
                    sample.parent = Parent(None, 0, parent.part, "")
                self.queues.append(sample)
        if self._budget_reason:
            self._end(problem)
        elif at.pool in self.queues.lost:
            self._end(problem, LOST)
        else:
            self.queues.push(problem)

    def _end_stage(self, problem: OpenProblem) -> None:
        """The open stage has settled: the next one opens where it is needed, or the problem is settled."""
        before = problem.at.pool
        if not self._opener.move_on(problem):
            self._count_settled(problem)
            return
        self.queues.open[before] -= 1
        self.queues.open[problem.at.pool] += 1
        self._begin_stage(problem, self._opener.rows(problem.id))

    def _close_if_done(self, problem: OpenProblem) -> bool:
        """Forgets a settled problem once nothing of it is in flight; releases its held rows first."""
        if not problem.state.settled:
            return False
        held = problem.held or []
        if problem.num_rows > len(held):
            return False
        if held:
            problem.held = None
            for sample in held:
                self._make_ready(sample, sample.since)
            return False
        del self._problems[problem.state.number]
        self.queues.open[problem.at.pool] -= 1
        self.totals.problems_closed += 1
        self._chunk_uses[problem.chunk] -= 1
        if not self._chunk_uses[problem.chunk]:
            del self._chunk_uses[problem.chunk]
        return True

    def chunks(self) -> set[int]:
        """Chunks that still have open problems."""
        return set(self._chunk_uses)

    def spend_out(self, reason: str) -> list[tuple[int, SampleKey]]:
        """At a budget's ceiling: settles every open problem with `budget`. Returns (replica, key) of what to abort."""
        self._budget_reason = reason
        aborts: list[tuple[int, SampleKey]] = []
        for problem in list(self._problems.values()):
            aborts += self._end(problem)
            self._close_if_done(problem)
        for sample in self.queues.waiting():
            self._give_up(sample)  # of problems that were settled before
        return aborts

    def lose_pool(self, pool: int, reason: str) -> list[tuple[int, SampleKey]]:
        """The pool is lost for good: its problems end unfinished, now and whenever one reaches it, and a resume goes on
        with them. Returns (replica, key) of what to abort."""
        self.queues.lost[pool] = reason
        aborts: list[tuple[int, SampleKey]] = []
        for problem in [problem for problem in self._problems.values() if problem.at.pool == pool]:
            aborts += self._end(problem, LOST)
            self._close_if_done(problem)
        for sample in list(self.queues[pool]):
            self._give_up(sample)
        return aborts

    def _end(self, problem: OpenProblem, why: str = BUDGET) -> list[tuple[int, SampleKey]]:
        if problem.state.settled:
            return []
        problem.at.policy.end(problem.state, why)
        self.totals.problems_lost += why == LOST
        self._count_settled(problem)
        return self._withdraw(problem)

    # Leases.

    def next_tasks(
        self,
        room: int,
        worker: int = -1,
        now: float = 0.0,
        max_suspects: int = 1,
        widen: bool = False,
        slots: int = 64,
        pool: int = 0,
    ) -> list[SampleTask]:
        """Up to `room` samples for a pool to draw: suspects, then the most useful ones. Fewer under back-pressure or
        near the budget's end. `worker` is the replica that they are for, which runs `slots` at once; -1: for several.
        `max_suspects` is the number of replicas that draw no suspect yet. With `widen` open problems get samples that
        they may never need; not under a ceiling on tokens, which those samples would use up."""
        if self.is_backed_up():
            return []
        queue, most = self.queues[pool], self.queues.most[pool]
        room = self.budget.room(most, room)
        samples = queue.take(room, worker, slots, now, max_suspects)
        if widen and not self.budget.tokens:
            samples += queue.take_spare(self._problems.values(), room - len(samples))
        self.budget.reserve(most, len(samples))
        return [self._make_task(sample, worker, now) for sample in samples]

    def _make_task(self, sample: SampleState, worker: int, now: float) -> SampleTask:
        """The caller reserves the budget."""
        self._move(sample, Stage.DRAWING, now, worker)
        problem, key = sample.problem, sample.key
        what = key, problem.id, problem.chunk, problem.row, sample.attempt
        seed = sample_seed(self.settings.run_seed, problem.id, key[1])
        stalls = sample.refusal(), sample.is_last_chance()
        # By position, as in the other messages of a sample: by name, making one takes twice as long.
        drawn_for = sample.at.index, sample.at.index >= problem.first_extra
        return SampleTask(*what, seed, problem.rule, sample.round, sample.parent_index, *stalls, *drawn_for)

    def parents(self, tasks: Iterable[SampleTask]) -> dict[SampleKey, Parent]:
        """For the repair rounds among `tasks`: where the attempts lie that they answer."""
        samples = (self._samples[task.key] for task in tasks if task.round)
        return {sample.key: sample.parent for sample in samples if sample.parent is not None}

    def assign(self, key: SampleKey, worker: int) -> None:
        """Records which replica a task went to."""
        sample = self._samples[key]
        sample.worker = sample.story[-1] = worker
        sample.drawn_by(worker)

    def homes(self, tasks: Iterable[SampleTask]) -> list[int]:
        """The replica that each task prefers; -1 for none."""
        return [self._samples[task.key].home() for task in tasks]

    def is_backed_up(self) -> bool:
        """True while verifiers or writers are so far behind that nothing more should be drawn."""
        unchecked = self._num_stage[Stage.FINISHED] + self._num_stage[Stage.CHECKING]
        unwritten = len(self.writes) + self._num_stage[Stage.WRITING]
        limit = self.settings.max_unchecked
        too_many = unchecked >= limit or unwritten >= UNWRITTEN_PER_UNCHECKED * limit
        return too_many or self._pending_bytes >= self.settings.max_pending_bytes

    def is_at_work(self, pool: int) -> bool:
        """Whether a sample of this pool is drawn, or its verdict is still to come and may ask for further ones."""
        return any(
            sample.at.pool == pool and Stage.QUEUED < sample.stage <= Stage.CHECKING
            for sample in self._samples.values()
        )

    def num(self, stage: Stage) -> int:
        return self._num_stage[stage]

    def num_open(self) -> int:
        return len(self._problems)

    def is_done(self) -> bool:
        """Nothing is open; with the last problem fed, the run is complete."""
        return not self._problems

    # Finished samples.

    def finished(self, worker: int, rows: Sequence[Finished], batch: SampleBatch, now: float = 0.0) -> None:
        """Takes in the rows of a batch. Drops a row whose task has gone to another replica meanwhile."""
        pool, taken = 0, list[Finished]()
        for index, row in enumerate(rows):
            sample = self._samples.get(row.key)
            if sample is None or sample.stage is not Stage.DRAWING or sample.attempt != row.attempt:
                continue
            if sample.worker != worker:
                continue
            pool = sample.at.pool  # the same for all, since a replica belongs to one pool
            taken.append(row)
            if row.error and sample.attempt < self.settings.attempts_after(row):
                self._retry(sample, "sample not drawn")
                continue
            sample.finished = row
            sample.num_bytes = row.num_bytes
            sample.batch, sample.batch_row = batch, index
            sample.aborted = row.aborted
            self._pending_bytes += row.num_bytes
            if row.aborted:
                self._end_aborted(sample, now)
            elif row.error:
                self._move(sample, Stage.CHECKING, now)
                verdict = packed_error("the engine could not draw this sample", {"error": row.error})
                self._settle_verdict(sample, Status.ERROR, 0.0, verdict, now)
            else:
                self._move(sample, Stage.FINISHED, now)
                self.checks.add(sample)
        if taken:
            self.queues.charge(self.budget, pool, taken)

    def _end_aborted(self, sample: SampleState, now: float) -> None:
        self._move(sample, Stage.CHECKED, now)
        sample.at.policy.observe(sample.state, sample.base, SampleOutcome.ABORTED)
        row = sample.finished
        if row is not None:
            mean = self.totals.completion_tokens / max(1, self.totals.samples)
            self.totals.saved_tokens += max(0, int(mean) - row.completion_tokens)
            self.queues.count(sample, None, 0.0)
        problem = sample.problem
        if sample.state.settled in UNFINISHED:
            # A row would use up the index. Without a row, a resume with a larger budget draws the sample again.
            self._forget_batch(sample)
            self._drop(sample)
        else:
            problem.held = problem.held or []
            problem.held.append(sample)
        self._close_if_done(problem)

    # Checks.

    def next_checks(
        self, worker: int, at_least: int, at_most: int, seconds: float, idle: bool, now: float = 0.0
    ) -> tuple[list[CheckItem], float]:
        """Rows for one verifier and the seconds that checking them will take (see CheckQueue.take)."""
        if worker in self._with_suspect:
            return [], 0.0
        work_s = 0.0
        samples = self.checks.take(at_least, at_most, seconds, idle)
        for sample in samples:
            if sample.suspect:
                self._with_suspect.add(worker)
            self._move(sample, Stage.CHECKING, now, worker)
            work_s += self.checks.seconds(sample.problem.kind)
        return check_items(samples), work_s

    def checked(
        self, worker: int, rows: Sequence[Checked], verdicts: bytes, now: float = 0.0
    ) -> list[tuple[int, SampleKey]]:
        """Takes in verdicts. Returns (replica, key) of the samples to abort in the engines."""
        aborts: list[tuple[int, SampleKey]] = []
        self._with_suspect.discard(worker)
        for key, status, seconds, row, placed in rows:
            sample = self._samples.get(key)
            if sample is None or sample.stage is not Stage.CHECKING or sample.worker != worker:
                continue
            if status is None:
                self._forget_batch(sample)
                self._retry(sample, "batch lost with its node")
                continue
            sample.check_attempts += 1
            verdict = (verdicts, row)
            if status is Status.ERROR and sample.check_attempts < self.settings.check_attempts:
                self.totals.count_retry(f"check failed: {reason_and_evidence(verdict)[0]}")
                self._requeue_check(sample, now)
                continue
            self.checks.note_seconds(sample.problem.kind, seconds)
            if placed is not None and isinstance(sample.state, KeylessState):
                sample.state.votes.place(sample.base, placed)
            aborts += self._settle_verdict(sample, status, seconds, verdict, now)
        return aborts

    def _settle_verdict(
        self, sample: SampleState, status: Status, seconds: float, verdict: VerdictRow, now: float
    ) -> list[tuple[int, SampleKey]]:
        """Records a final verdict, makes the row ready, and asks the policy what follows."""
        sample.status, sample.verdict = status, verdict
        if status is Status.ERROR:
            log.warning("given up: %s\n%s", reason_and_evidence(verdict)[0], invariants.story_of(sample))
        row = sample.finished
        assert row is not None
        problem, state, at = sample.problem, sample.state, sample.at
        self.queues.count(sample, status, seconds)
        self._make_ready(sample, now)
        outcome = OUTCOME_OF_STATUS[status]
        if sample.round and outcome is SampleOutcome.VERIFIED:
            outcome = SampleOutcome.REPAIRED
        if not state.settled and self._wants_repair(problem, sample.round, outcome):
            self._repair(sample, verdict)
            return []
        settled, solved, counted = state.settled, state.solved, problem.state.settled and problem.is_solved
        at.policy.observe(state, sample.base, outcome, row.completion_tokens, row.generation_s, key=row.solution_key)
        aborts: list[tuple[int, SampleKey]] = []
        if settled:
            # It came too late for its stage, whose plan has decided already, and opens or ends nothing.
            self.totals.problems_solved += bool(problem.state.settled) and problem.is_solved and not counted
        elif at.policy.settle(state):
            aborts = self._withdraw(problem)
            self._end_stage(problem)
        else:
            if state.solved and not solved:
                aborts = self._withdraw(problem)
            self.queues.push(problem)
        self._close_if_done(problem)
        return aborts

    def _wants_repair(self, problem: OpenProblem, round_: int, outcome: SampleOutcome) -> bool:
        allowed = round_ < self.settings.repair_rounds and problem.kind in self.settings.repair_kinds
        return allowed and outcome in (SampleOutcome.REFUTED, SampleOutcome.MALFORMED, SampleOutcome.UNDECIDED)

    def _repair(self, parent: SampleState, verdict: VerdictRow) -> None:
        """Queues the follow-up of an unverified attempt. One that exists already gets its parent's new place."""
        index = parent.key[1] + parent.at.num_samples
        sample = self._samples.get((parent.key[0], index))
        if sample is None:
            if parent.repaired:
                return
            sample = self._open_sample(parent.problem, index, parent.base)
            sample.round = parent.round + 1
            sample.parent_index = parent.key[1]
            sample.replica = parent.replica
            parent.repaired = True
            self.queues.append(sample)
        reason, found = reason_and_evidence(verdict)
        finding = finding_for_model(reason, found, self.settings.evidence_chars)
        sample.parent = Parent(parent.batch, parent.batch_row, "", finding)

    def _withdraw(self, problem: OpenProblem) -> list[tuple[int, SampleKey]]:
        """Takes back what the policy no longer needs: queued samples at once, running ones by an abort."""
        aborts = []
        at = problem.at
        for base in at.policy.abortable(problem.state):
            for index in range(at.sample_index(base), at.stop, at.num_samples):
                sample = self._samples.get((problem.state.number, index))
                if sample is None:
                    continue
                if sample.stage is Stage.DRAWING:
                    aborts.append((sample.worker, sample.key))
                elif sample.stage is Stage.QUEUED:
                    self.totals.withdrawn += 1
                    at.policy.observe(problem.state, base, SampleOutcome.ABORTED)
                    self._drop(sample)
        return aborts

    # Writing.

    def num_ready(self) -> tuple[int, int]:
        """Rows and bytes that wait for a part."""
        return len(self.writes), self.writes.num_bytes

    def cut(self, max_rows: int, max_bytes: int, now: float = 0.0) -> list[SampleState]:
        """Rows for one part, oldest first."""
        rows = self.writes.cut(max_rows, max_bytes)
        for sample in rows:
            self._move(sample, Stage.WRITING, now)
        return rows

    def durable(self, samples: Iterable[SampleState], part: str) -> None:
        """The rows of a part are on storage."""
        for sample in samples:
            if self._samples.get(sample.key) is not sample:
                continue
            self.totals.durable += 1
            self._pending_bytes -= sample.num_bytes
            problem = sample.problem
            follow_up = sample.key[1] + sample.at.num_samples  # behind the last round lies the next stage
            child = self._samples.get((sample.key[0], follow_up)) if sample.at.holds(follow_up) else None
            if child is not None and child.parent is not None:
                child.parent = child.parent._replace(part=part)
            self._drop(sample)
            self._close_if_done(problem)

    def not_written(self, samples: Iterable[SampleState]) -> None:
        """The writer died before the part was visible: the rows wait for the next part."""
        for sample in samples:
            if self._samples.get(sample.key) is sample and sample.stage is Stage.WRITING:
                self._make_ready(sample, sample.since)
                self.totals.count_retry("part written again")

    def batch_gone(self, samples: Iterable[SampleState]) -> None:
        """Sends samples back to be drawn and checked again: their batch was lost after the check."""
        for sample in samples:
            if self._samples.get(sample.key) is not sample:
                continue
            self._forget_batch(sample)
            if sample.aborted:
                # This row would only have kept token counts. Its problem is settled and does not need it.
                self._drop(sample)
                self._close_if_done(sample.problem)
            else:
                self.queues.uncount(sample)
                self._retry(sample, "batch lost with its node")

    # Faults.

    def lost_generator(self, worker: int, stalled: bool = False) -> int:
        """Requeues the tasks of a dead replica and returns their number. Batches that it finished stay. `stalled`: it
        stood still, and one of its prompts may be to blame."""
        self.queues.forget(worker)
        lost = [f for f in self._samples.values() if f.stage is Stage.DRAWING and f.worker == worker]
        for sample in lost:
            self.budget.lose(self.queues.most[sample.at.pool])
            sample.stalls += stalled
            self._retry(sample, "replica stood still" if stalled else "replica died")
        return len(lost)

    def lost_verifier(
        self, worker: int, culprits: Iterable[SampleKey] = (), now: float = 0.0
    ) -> list[tuple[int, SampleKey]]:
        """Takes back the rows of a verifier that died or was killed. Returns samples to abort. A row that was alone, or
        that is known to have hung (`culprits`), is to blame. If there were several, each is checked again alone."""
        assigned = [f for f in self._samples.values() if f.stage is Stage.CHECKING and f.worker == worker]
        blamed = set(culprits) or ({assigned[0].key} if len(assigned) == 1 else set())
        aborts: list[tuple[int, SampleKey]] = []
        self._with_suspect.discard(worker)
        for sample in assigned:
            self.totals.count_retry("verifier died")
            if sample.key in blamed:
                sample.check_attempts += 1
            sample.suspect = sample.suspect or not blamed or sample.key in blamed
            if sample.check_attempts >= self.settings.check_attempts:
                verdict = packed_error("the checker died of this sample", {"attempts": sample.check_attempts})
                aborts += self._settle_verdict(sample, Status.ERROR, 0.0, verdict, now)
            else:
                self._requeue_check(sample, now)
        return aborts

    # Bookkeeping.

    def _open_sample(self, problem: OpenProblem, index: int, base: int) -> SampleState:
        sample = SampleState(problem, (problem.state.number, index), base)
        self._samples[sample.key] = sample
        self._num_stage[Stage.QUEUED] += 1
        problem.num_rows += 1
        return sample

    def _move(self, sample: SampleState, stage: Stage, now: float, worker: int | None = None) -> None:
        """The one place where a sample changes its stage. `worker` has it from now on; None: no change of worker."""
        before, counts = sample.stage, self._num_stage
        counts[before] -= 1
        counts[stage] += 1
        sample.stage = stage
        sample.since = now
        if worker is not None:
            sample.worker = worker
        if now > self._now:
            self._now = now
        sample.story += (self._now, stage, sample.worker)
        if stage <= before:  # only a sample that goes back can make many moves
            del sample.story[: -invariants.STORY_SIZE]

    def faults(self) -> list[str]:
        """Every rule that this ledger breaks, with the stories of the samples; none while all is well. Linear in all
        that is open."""
        parts = invariants.Parts(
            *(self._samples, self._problems, self.queues, self.writes, self._num_stage, self._chunk_uses),
            *(self._pending_bytes, self.budget.reserved_tokens, self.queues.most, self.queues.open),
        )
        return list(invariants.faults(parts))

    def validate(self) -> None:
        """Raises AssertionError where `faults` finds any."""
        if found := self.faults():
            raise AssertionError("\n".join(found))

    def story(self, problem_id: str, index: int) -> str:
        """The last changes of state of a sample in flight, as text for people; empty where it is not in flight."""
        for sample in self._samples.values():
            if sample.key[1] == index and sample.problem.id == problem_id:
                return invariants.story_of(sample)
        return ""

    def _drop(self, sample: SampleState) -> None:
        self._num_stage[sample.stage] -= 1
        del self._samples[sample.key]
        sample.problem.num_rows -= 1
        sample.batch = sample.verdict = None

    def _make_ready(self, sample: SampleState, since: float) -> None:
        self._move(sample, Stage.CHECKED, since)
        self.writes.add(sample)

    def _requeue_check(self, sample: SampleState, now: float) -> None:
        self._move(sample, Stage.FINISHED, now)
        self.checks.add(sample)

    def _retry(self, sample: SampleState, why: str) -> None:
        """Requeues a sample to be drawn again with the same seed, if it is still needed and drawing has not ended."""
        is_over = self._budget_reason or sample.at.pool in self.queues.lost
        if is_over or sample.base in sample.at.policy.abortable(sample.state):
            self._give_up(sample)
            return
        self.totals.count_retry(why)
        log.debug("sample %s:%d is drawn again: %s", sample.problem.id, sample.key[1], why)
        self._move(sample, Stage.QUEUED, 0.0, -1)
        sample.attempt += 1
        sample.status = sample.verdict = sample.finished = sample.batch = None
        self.queues.append(sample)

    def _give_up(self, sample: SampleState) -> None:
        """Forgets a sample that has no batch and will not be drawn again in this start."""
        problem = sample.problem
        if sample.state.outcome(sample.base):
            # Its row would have been the evidence for the held rows. A resume must not find those without it.
            for held in problem.held or []:
                self._forget_batch(held)
                self._drop(held)
            problem.held = None
        sample.at.policy.observe(sample.state, sample.base, SampleOutcome.ABORTED)
        self._drop(sample)
        self._close_if_done(problem)

    def _waits(self, sample: SampleState) -> bool:
        """Whether this queue entry still has to be sampled."""
        return self._samples.get(sample.key) is sample and sample.stage is Stage.QUEUED

    def _forget_batch(self, sample: SampleState) -> None:
        self._pending_bytes -= sample.num_bytes
        sample.num_bytes = 0
        sample.batch = None

    def _count_settled(self, problem: OpenProblem) -> None:
        self.totals.problems_settled += 1
        self.totals.problems_solved += problem.is_solved
