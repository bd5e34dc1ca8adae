"""Phrases that are looked for both in front of an answer and behind it."""

from __future__ import annotations

from verifiers.math.reading.phrases import phrases

CLAIMING = phrases("says? / said / thinks? / thought / believes? / believed / claims? / claimed")
"""What somebody says or thinks."""

HEDGES = phrases("maybe / perhaps / possibly / probably / hopefully / presumably / supposedly")
"""Adverbs that doubt."""

UNSURE = phrases(r"unsure / not (?:\w+ )?(?:sure|certain|confident)")
"""Phrases that say that the text is not sure."""

KIDDING = phrases("hang on / hold on / kidding / april fools?")
"""Phrases that say that what was said is not meant, or not yet."""
