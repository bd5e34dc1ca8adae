"""Rows as a verifier gets them: by batch, and with the clusters of problems without an answer key. Pure."""

from __future__ import annotations

from workers.messages import CheckItem, SampleBatch
from workers.sampling.problem_state import KeylessState
from workers.sampling.votes import Known
from workers.scheduling.sample_state import SampleState


def check_items(samples: list[SampleState]) -> list[CheckItem]:
    """One item per batch, in order. Rows of one problem share what is known of it, so that it is packed once."""
    by_batch: dict[SampleBatch, CheckItem] = {}
    known: dict[KeylessState, Known] = {}
    for sample in samples:
        item = by_batch.get(sample.batch)
        if item is None:
            item = by_batch[sample.batch] = CheckItem(sample.batch, [], {})
        item.rows.append((sample.key, sample.batch_row))
        state = sample.state
        if isinstance(state, KeylessState) and state.plan.agreement is not None and not state.settled:
            if state not in known:
                known[state] = state.votes.known(sample.at.start)
            item.known[sample.key] = known[state]
    return list(by_batch.values())
