"""The dashboard in docs/grafana, against the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jobs.service import metrics


def test_every_plotted_metric_exists() -> None:
    dashboard = json.loads(Path("docs/grafana/proofmill.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    plotted = set(re.findall(r"ray_(proofmill_\w+)", " ".join(expressions)))
    known = set(re.findall(r'"(proofmill_\w+)"', Path(metrics.__file__).read_text()))
    shown = {name.removesuffix("_total").removesuffix("_bucket") for name in plotted}
    assert shown <= known and len(shown) >= 10, shown - known
