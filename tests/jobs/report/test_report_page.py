"""`report.html` and `compare.html`: the figures are those of the rows; nothing a model wrote can act in the page."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import boto3
import jinja2
import pytest
from made_up_run import made_up_run, sample_row, write_run

from jobs.cli import main
from jobs.config import SolveConfig
from jobs.report import page
from jobs.report.compare import compare, compare_runs, render_comparison
from jobs.report.formats import excerpt, facts, percent, short
from jobs.report.page import by_name, length_chart, mean_occupancy, render_report, write_report
from jobs.report.problems_table import write_problems_table
from jobs.report.statistics import REST, gather
from jobs.solve.command import finish
from jobs.solve.driver import DriveResult
from jobs.solve.record import with_earlier_starts
from runstore.errors import StoredRunError
from runstore.storage import open_storage

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
ATTACK = "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7919 * 7907 }}\"' onload='alert(3)"


class Page(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def acts(self) -> list[str]:
        """Whatever could run or load something."""
        found = [tag for tag, _ in self.tags if tag in {"script", "img", "iframe", "object", "embed", "form", "base"}]
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                harmless = tag == "link" and value == "data:,"
                if name.startswith("on") or (name in {"src", "href", "action", "srcset"} and not harmless):
                    found.append(f"{tag} {name}={value}")
        return found


def attacked_run(folder: Path) -> str:
    """A run in which every string that is not ours is an attack."""
    strings = ("domain", "prompt", "text", "reason", "evidence", "checker", "checker_version", "run_id", "source")
    hostile = dict.fromkeys(strings, ATTACK)
    hostile["messages"] = json.dumps([{"role": ATTACK, "content": ATTACK}])
    hostile["reference"] = json.dumps({ATTACK: ATTACK, "nested": [{ATTACK: [ATTACK]}]})
    meta = json.dumps({"difficulty": ATTACK[:30]})
    rows = [
        sample_row(ATTACK, index, status, FIXED, **hostile, meta=meta)
        for index, status in enumerate(("verified", "refuted"))
    ]
    choice = {"kind": "choice", "reference": json.dumps({"answer": ATTACK}), "evidence": json.dumps({"answer": ["A"]})}
    rows += [sample_row("choice", index, "refuted", FIXED, **choice) for index in range(2)]
    run = {
        "config": {"model": {"path": ATTACK}, "sampling": ATTACK, "problems": {"files": [ATTACK]}},
        "versions": {ATTACK: ATTACK},
        "code_revision": ATTACK,
        "summary": {
            "retries": [{"what": ATTACK, "why": ATTACK, "count": 3}],
            "restarts": [{"what": ATTACK, "why": ATTACK}],
            "occupancy": [ATTACK, [0, 1, 2], [9, ATTACK, 1]],
        },
    }
    return write_run(str(folder), rows, run)


def test_nothing_in_a_run_can_act_in_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = attacked_run(tmp_path)
    shown = Page(render_report(gather(uri)))
    assert shown.acts() == []
    assert "<script>alert(1)</script>" in shown.text, "it is shown as what it is: text"
    assert "62615533" not in shown.text
    assert Page(render_comparison(compare(uri, uri))).acts() == []

    # The same run through templates that do not escape: the attack works, so the test would notice.
    def unescaped() -> jinja2.Environment:
        environment = page_environment()
        environment.autoescape = False
        return environment

    page_environment = page.environment
    monkeypatch.setattr(page, "environment", unescaped)
    assert "script" in Page(render_report(gather(uri))).acts()


def test_the_page_forbids_scripts_and_loads_nothing(tmp_path: Path) -> None:
    text = render_report(gather(made_up_run(str(tmp_path), 40)))
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text.replace("http-equiv", ""))
    assert "@import" not in text and "url(" not in text


def test_a_disagreement_of_kernels_is_counted_and_never_hidden(tmp_path: Path) -> None:
    """It is one sample among many with more reasons than the page shows, and tells of a fault in a kernel."""
    rows = [
        sample_row(f"p{i}", j, "refuted", FIXED, kind="lean", reason=f"policy: uses {i}")
        for i in range(30)
        for j in range(2)
    ]
    rows.append(sample_row("q", 0, "undecided", FIXED, kind="lean", reason="kernels disagree"))
    uri = write_run(str(tmp_path), rows)
    assert gather(uri).reasons["lean", "undecided", "kernels disagree"] == 1
    shown = Page(render_report(gather(uri))).text
    assert "kernels disagree" in shown
    assert "The 12 commonest, faults of checkers first, of 31 reasons." in shown
    assert shown.index("kernels disagree") < shown.index("policy: uses")


def test_the_figures_are_those_of_the_rows(tmp_path: Path) -> None:
    uri = made_up_run(str(tmp_path), 150)
    report, _ = write_report(uri)
    shown = Page(Path(report).read_text())
    statistics = gather(uri)
    total = statistics.total
    rows = write_problems_table(uri)
    assert total.problems == rows == 150
    assert sum(group.problems for group in statistics.domains.values()) == 150
    assert sum(checker.samples for checker in statistics.checkers.values()) == total.samples
    assert sum(int(histogram.sum()) for histogram in statistics.lengths.values()) == total.samples
    assert sum(statistics.reasons.values()) == total.samples
    point = total.passes.at(1)
    assert point and percent(point.estimate.value) in shown.text
    assert f"{total.solved:,} of 150" in shown.text
    assert f"{total.tokens_per_verified:,.0f}" in shown.text
    for heading in ("Engine occupancy", "Retried", "Multiple choice", "Reliability of the checkers", "Samples"):
        assert heading in shown.text
    assert sum(tag == "svg" for tag, _ in shown.tags) == 3
    assert sum(position.samples for position in statistics.positions.values()) == sum(
        statistics.statuses_by_kind["choice"].values()
    )
    assert {(e.kind, e.status) for e in statistics.examples} >= {("math", "verified"), ("lean", "refuted")}


@pytest.mark.parametrize(
    ("statuses", "rule", "says"),
    [
        (("verified", None), {**FIXED, "estimates": "fast"}, "No unbiased estimate"),
        ((None, None), FIXED, "No unbiased estimate"),
        (("refuted", "refuted"), FIXED, "0.0\N{NO-BREAK SPACE}%"),
        (("error", "undecided"), FIXED, "0.0\N{NO-BREAK SPACE}%"),
    ],
)
def test_a_bare_run_gives_a_bare_report(tmp_path: Path, statuses: tuple[Any, ...], rule: dict, says: str) -> None:
    """No run.json, one problem, no cost."""
    rows = [sample_row("p", index, status, rule) for index, status in enumerate(statuses)]
    text = Page(render_report(gather(write_run(str(tmp_path), rows)))).text
    assert says in text
    assert "Engine occupancy" not in text and "$" not in text


def test_a_problem_given_up_early_makes_the_curve_a_lower_bound(tmp_path: Path) -> None:
    rule = {"policy": "adaptive", "estimates": "unbiased", "num_samples": 8, "num_verified": 1}
    hopeless = {**rule, "give_up": [3]}
    rows = [sample_row("hard", index, "refuted", hopeless) for index in range(3)]
    rows += [sample_row("easy", 0, "verified", rule)]
    statistics = gather(write_run(str(tmp_path), rows))
    assert [(point.k, point.exact) for point in statistics.total.passes.points()] == [
        (1, True),
        (2, True),
        (4, False),
        (8, False),
    ]
    assert "lower bound" in Page(render_report(statistics)).text


def test_open_problems_end_the_claim_and_are_named(tmp_path: Path) -> None:
    rows = [sample_row("whole", index, "verified", FIXED) for index in range(2)]
    rows.append(sample_row("cut", 0, "verified", FIXED))
    run = {"summary": {"stopped": "budget.tokens = 9 is used up"}, "problems": {"num_problems": 5}}
    uri = write_run(str(tmp_path), rows, run)
    text = Page(render_report(gather(uri))).text
    assert "No unbiased claim: 1 problem was" in text and "budget 1" in text and "Unbiased (" not in text
    assert "3 problems of the set" in text and "budget.tokens = 9" in text
    assert "2 of 2 started; 3 were not" in text, "the headline does not speak for the whole set"
    assert "pass@1 of the 1 settled problems" in text
    assert "3 problems were never started; nothing is said of them" in text


def test_a_run_that_was_interrupted_is_open_and_says_so(tmp_path: Path) -> None:
    rows = [sample_row("cut", 0, "verified", FIXED)]
    run = {"starts": [{}], "summary": {"stopped": "interrupted", "complete": False}}
    text = Page(render_report(gather(write_run(str(tmp_path), rows, run)))).text
    assert "stopped early: interrupted" in text and "open 1" in text and "budget 1" not in text
    text = Page(render_report(gather(write_run(str(tmp_path / "b"), rows, {"starts": [{}]})))).text
    assert "in progress or cut off" in text


def test_the_price_of_a_resumed_run_is_that_of_all_its_starts_or_none(tmp_path: Path) -> None:
    spent = {"wall_s": 50.0, "gpu_s": 100.0, "cpu_s": 0.0, "usd": 1.5, "saved_tokens": 70, "restarts": []}
    first = {**spent, "epoch": 1, "starts": 1, "retries": [{"what": "sample", "why": "replica died", "count": 2}]}
    more = {"wall_s": 100.0, "gpu_s": 200.0, "usd": 3.0}
    second = {
        **spent,
        **more,
        "epoch": 2,
        "starts": 2,
        "retries": [{"what": "sample", "why": "replica died", "count": 3}],
    }
    rows = [sample_row("p", index, "verified", FIXED) for index in range(2)]

    def text(name: str, summary: dict[str, Any]) -> str:
        return Page(render_report(gather(write_run(str(tmp_path / name), rows, {"summary": summary})))).text

    both = with_earlier_starts(second, with_earlier_starts(first, None))
    assert (both["usd"], both["gpu_s"], both["saved_tokens"], both["starts"]) == (3.0, 200.0, 140, 2)
    assert both["retries"] == [{"what": "sample", "why": "replica died", "count": 5}]
    assert "$1.50" in text("both", both), "3 dollars for 2 verified samples"
    # `finish` is what puts a start's summary into the record.
    record: dict[str, Any] = {}
    for summary in (first, second):
        finish(cast(SolveConfig, None), open_storage(str(tmp_path)), record, DriveResult(summary, interrupted="^C"), "")
    assert record["summary"]["usd"] == 3.0
    # What the first start spent is not known: it was one of an earlier version.
    killed = text("killed", with_earlier_starts({**second, "starts": 1}, None))
    assert "$" not in killed and "GPU-hour" not in killed and "Only 1 of the run's 2 starts" in killed


def test_a_folder_without_a_run_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(StoredRunError, match="no committed samples"):
        write_report(str(tmp_path))


def test_the_command_writes_pages_and_explains_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = made_up_run(str(tmp_path / "run"), 20)
    assert main(["report", "--run", uri]) == 0
    assert capsys.readouterr().out.strip() == f"{uri}/report.html"
    assert (tmp_path / "run" / "problems.parquet").exists()
    assert main(["report", uri]) == 0
    assert capsys.readouterr().out.strip() == f"{uri}/report.html"
    assert main(["report", "--compare", uri, uri, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "compare.html").exists()
    assert main(["report", "--run", str(tmp_path / "nothing")]) == 2
    assert "no committed samples" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_a_part_that_can_not_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = made_up_run(str(tmp_path), 20)
    part = next((tmp_path / "samples").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-100])
    assert main(["report", "--run", uri]) == 3
    assert f"{part.name}: not a whole Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("longest", [12, 14, 19])
def test_every_column_of_lengths_says_its_share_verified(tmp_path: Path, longest: int) -> None:
    rule = {**FIXED, "num_samples": 2 * longest}
    rows = [sample_row("p", n, "verified", rule, completion_tokens=int(2 ** (n / 2))) for n in range(2 * longest)]
    chart = length_chart(gather(write_run(str(tmp_path), rows)).lengths)
    assert chart.count("<rect") == chart.count(">100%<")
    edges = [int(label.replace(",", "")) for label in re.findall(r"<rect[^>]*><title>([\d,]+): ", chart)]
    assert all(edge == 0 or edge.bit_count() == 1 for edge in edges)


def test_one_sample_a_problem_has_one_pass_rate(tmp_path: Path) -> None:
    rows = [sample_row("p", 0, "verified", {**FIXED, "num_samples": 1})]
    text = Page(render_report(gather(write_run(str(tmp_path), rows)))).text
    assert re.findall(r"pass@\d+", text.split("By domain")[1]) == ["pass@1"]


def test_a_letter_that_is_never_right_but_answered_is_listed(tmp_path: Path) -> None:
    row = {"kind": "choice", "reference": json.dumps({"answer": "A"}), "evidence": json.dumps({"answer": "E"})}
    rows = [sample_row("p", index, "refuted", FIXED, **row) for index in range(2)]
    text = Page(render_report(gather(write_run(str(tmp_path), rows)))).text
    assert re.search(r"E\s*0\s*–\s*–\s*2", text)


def test_many_domains_are_drawn_in_part_and_sorted_as_people_do(tmp_path: Path) -> None:
    rows = [
        sample_row(f"p{number}", index, "verified", FIXED, domain=f"domain {number}", meta=json.dumps(meta))
        for number in range(300)
        for index, meta in enumerate([{"difficulty": number % 12} if number else {}] * 2)
    ]
    statistics = gather(write_run(str(tmp_path / "many"), rows))
    text = Page(render_report(statistics)).text
    assert "The 16 largest of 201 domains" in text and "1 of 300 problems have no label" in text
    assert [name for name, _ in by_name(statistics.difficulties)] == [str(level) for level in range(12)]
    assert by_name(statistics.domains)[-1][0] == REST
    pooled = next(name for number in range(300) if (name := f"domain {number}") not in statistics.domains)
    other = write_run(str(tmp_path / "other"), [sample_row("q", n, "verified", FIXED, domain=pooled) for n in (0, 1)])
    compared = Page(render_comparison(compare(statistics.uri, other))).text
    assert "not told apart" in compared, "the first run has this domain, in the pool of the rest"


def test_waiting_samples_do_not_make_an_engine_fuller_than_full() -> None:
    assert mean_occupancy([(0, 300, 256), (10, 128, 256), (20, 0, 256)]) == 0.75


def test_half_a_surrogate_in_run_json_does_not_stop_the_report(tmp_path: Path) -> None:
    rows = [sample_row("p", index, "verified", FIXED) for index in range(2)]
    report, _ = write_report(write_run(str(tmp_path), rows, {"code_revision": "\ud800"}))
    assert "code revision" in Path(report).read_text()


def test_figures_are_short_at_every_size() -> None:
    assert [short(value) for value in (9_999, 10_000, 999_499, 999_500, 999_950_000)] == [
        "9,999",
        "10 k",
        "999 k",
        "1 M",
        "1 G",
    ]


def test_long_texts_show_both_ends(tmp_path: Path) -> None:
    rows = [sample_row("p", index, "refuted", FIXED, reason="r" * 5000) for index in range(2)]
    assert "r" * 201 not in render_report(gather(write_run(str(tmp_path), rows)))
    shown = excerpt("a" * 9000 + "the answer", 300)
    assert len(shown) < 400 and shown.endswith("the answer") and "characters left out" in shown


def test_two_runs_are_compared_problem_by_problem(tmp_path: Path) -> None:
    def run(name: str, table: dict[str, tuple[str, str]]) -> str:
        rows = [
            sample_row(problem, index, status, FIXED, run_id=name)
            for problem, statuses in table.items()
            for index, status in enumerate(statuses)
        ]
        return write_run(str(tmp_path / name), rows, {"summary": {"gpu_s": 3600, "usd": 2.0, "saved_tokens": 1234}})

    v, r = "verified", "refuted"
    first = run("one", {"both": (v, r), "lost": (v, v), "neither": (r, r), "old": (v, v)})
    second = run("two", {"both": (v, v), "lost": (r, r), "neither": (r, r), "won": (v, v)})
    comparison = compare(first, second)
    assert (comparison.common, comparison.both, comparison.neither) == (3, 1, 1)
    assert [each.problem_id for each in comparison.only_first] == ["lost"]
    assert comparison.only_first[0].prompt == "What is lost?" and comparison.only_second == []
    assert comparison.difference and comparison.difference.value == pytest.approx((0.5 - 1 + 0) / 3)
    assert not comparison.significant
    written = compare_runs(first, second, out=str(tmp_path / "out"))
    text = Page(Path(written).read_text()).text
    assert "one → two" in text and "verified solutions per GPU-hour" in text
    assert "tokens saved by aborts" in text and "Reliability of the checkers" in text
    assert text.count("Length and correctness") == 2


def test_a_better_model_shows_as_better(tmp_path: Path) -> None:
    first = made_up_run(str(tmp_path / "a"), 200, seed=1)
    second = made_up_run(str(tmp_path / "b"), 200, seed=2, skill=2.5)
    comparison = compare(first, second)
    assert comparison.significant and comparison.difference and comparison.difference.value > 0


def test_a_few_equal_differences_are_no_clear_difference(tmp_path: Path) -> None:
    def run(name: str, status: str, problems: int) -> str:
        names = [f"p{number}" for number in range(problems)]
        rows = [sample_row(problem, index, status, FIXED) for problem in names for index in range(2)]
        return write_run(str(tmp_path / f"{name}{problems}"), rows)

    two = compare(run("bad", "refuted", 2), run("good", "verified", 2))
    assert two.difference and two.difference.value == 1 and not two.significant
    assert compare(run("bad", "refuted", 20), run("good", "verified", 20)).significant


def test_runs_without_a_common_problem_are_not_called_better_or_worse(tmp_path: Path) -> None:
    def run(name: str, statuses: str) -> str:
        words = {"v": "verified", "r": "refuted"}
        rows = [sample_row(name, index, words[letter], FIXED) for index, letter in enumerate(statuses)]
        return write_run(str(tmp_path / name), rows)

    first, second = run("one", "vr"), run("two", "vv")
    text = render_comparison(compare(first, second))
    assert 'class="better"' not in text and 'class="worse"' not in text
    assert "of which 0 are in both" in text and "0 common problems have an estimate" in text
    # The same run twice: nothing changed.
    assert "None changed" in render_comparison(compare(first, first))


def test_problems_left_open_take_the_claim_from_a_comparison(tmp_path: Path) -> None:
    def run(name: str, status: str) -> str:
        rows = [sample_row(f"p{number}", index, status, FIXED) for number in range(20) for index in range(2)]
        return write_run(str(tmp_path / name), [*rows, sample_row("cut", 0, status, FIXED)])

    text = render_comparison(compare(run("bad", "refuted"), run("good", "verified")))
    assert "settled in both runs, without a claim for the other 1" in text and '<b class="better">' not in text


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an own S3 server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the S3 server ended"
                time.sleep(0.1)
        boto3.client("s3").create_bucket(Bucket="runs")
        yield "s3://runs"
    finally:
        server.kill()
        server.wait()


def test_a_run_on_object_storage(bucket: str) -> None:
    uri = made_up_run(f"{bucket}/night/runs/made-up", 20)
    assert write_problems_table(uri) == 20
    assert write_report(uri)[0] == f"{uri}/report.html"
    body = boto3.client("s3").get_object(Bucket="runs", Key="night/runs/made-up/report.html")["Body"].read()
    assert b"problems solved" in body


def tiles(text: str) -> list[tuple[str, str]]:
    """(figure, label) of every tile, in order."""
    return re.findall(r'<div class="tile[^>]*><b>(.*?)</b><span>(.*?)</span>', text)


@pytest.mark.parametrize(("key", "unit"), [("gpu_s", "GPU"), ("cpu_s", "CPU")])
def test_the_first_tile_is_verified_solutions_per_hour(tmp_path: Path, key: str, unit: str) -> None:
    rows = [sample_row(f"p{number}", index, "verified", FIXED) for number in range(6) for index in range(2)]
    spent = {"gpu_s": 0.0, "cpu_s": 36.0} | {key: 36.0}
    text = render_report(gather(write_run(str(tmp_path), rows, {"summary": spent})))
    assert tiles(text)[0] == ("1,200", f"verified solutions per {unit}-hour")
    assert "problems solved" in tiles(text)[1][1]


def test_no_price_is_in_scientific_notation(tmp_path: Path) -> None:
    rows = [sample_row(f"p{number}", index, "verified", FIXED) for number in range(5) for index in range(2)]
    for usd, shown in ((9.4e-06, "$0.94"), (0.0082, "$0.82"), (40.0, "$4.00")):
        text = render_report(
            gather(write_run(str(tmp_path / f"{usd}"), rows, {"summary": {"gpu_s": 36.0, "usd": usd}}))
        )
        assert any(figure == shown and label.startswith("per ") for figure, label in tiles(text)), tiles(text)
        assert not re.search(r"\$[\d.]+e-", text)
        # One precision in a column: two digits after the point.
        assert all(re.fullmatch(r"\$[\d,]+\.\d\d", price) for price in re.findall(r"\$\d[\d,.e-]*", Page(text).text))


def test_samples_show_what_was_sent_and_what_the_answer_was_checked_against(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which is prime?\nA) 4\nB) 7\nGive the letter."},
    ]
    row = {
        "kind": "choice",
        "prompt": "Which is prime?",
        "messages": json.dumps(messages),
        "reference": json.dumps({"options": ["4", "7"], "answer": "B"}),
        "evidence": json.dumps({"answer": "A", "found_by": {"rule": "boxed"}}),
    }
    rows = [sample_row("p", index, "refuted", FIXED, **row) for index in range(2)]
    text = Page(render_report(gather(write_run(str(tmp_path), rows)))).text
    samples = text[text.index("Drawn by chance") :]
    assert "Be brief." in samples and "B) 7" in samples
    assert re.search(r"reference\s*options\s*4, 7\s*answer\s*B", samples)
    assert re.search(r"evidence of the check\s*answer\s*A\s*found by\s*rule: boxed", samples)
    assert '{"answer"' not in samples


def test_messages_that_can_not_be_read_leave_the_prompt(tmp_path: Path) -> None:
    rows = [
        sample_row("p", index, "refuted", FIXED, messages=stored)
        for index, stored in enumerate(("no JSON", json.dumps([{"role": 1, "content": None}])))
    ]
    assert Page(render_report(gather(write_run(str(tmp_path), rows)))).text.count("What is p?") == 2


def test_facts_of_anything_are_text() -> None:
    assert [fact.text for fact in facts("not JSON")] == ["not JSON"] and facts("{}") == [] and facts(None) == []
    assert facts("[1, 2]")[0].text == "1, 2"
    assert facts(json.dumps({f"k{n}": n + 1 for n in range(30)}))[-1].text == "6 more"
    assert len(facts(json.dumps({"log": "x" * 5000}))[0].text) < 800


def test_tables_and_tiles_speak_of_the_same_pass_at_k(tmp_path: Path) -> None:
    rule = {**FIXED, "num_samples": 40}
    rows = [sample_row("p", index, "verified" if index % 3 else "refuted", rule) for index in range(40)]
    text = render_report(gather(write_run(str(tmp_path), rows)))
    assert any(label.startswith("pass@40") for _, label in tiles(text))
    assert "<th>pass@40</th>" in text and "pass@16" not in text.split("<h2>By domain</h2>")[1]


def test_a_checker_with_an_undecided_verdict_is_not_said_to_decide_all(tmp_path: Path) -> None:
    rule = {**FIXED, "num_samples": 4000}
    rows = [sample_row("p", index, "refuted" if index else "undecided", rule) for index in range(4000)]
    text = Page(render_report(gather(write_run(str(tmp_path), rows)))).text
    assert ">\N{NO-BREAK SPACE}99.9" in text[text.index("Reliability of the checkers") :]


def test_thoughts_closed_at_their_budget_are_counted_apart(tmp_path: Path) -> None:
    def told(closed_by: list[str | None]) -> str:
        statuses = ["verified", "refuted", "verified", "verified"]
        rows = [
            sample_row("a", index, status, FIXED, thought_closed_by=by)
            for index, (status, by) in enumerate(zip(statuses, closed_by, strict=True))
        ]
        uri = str(tmp_path / str(len(list(tmp_path.iterdir()))))
        write_run(uri, rows)
        write_problems_table(uri)
        return " ".join(Page(render_report(gather(uri))).text.replace("\u00a0", " ").split())

    text = told(["budget", "budget", "model", None])
    assert "The thought of 2 samples was closed at its budget (sampling.thinking_tokens)" in text
    assert "50.0 % of them are verified, and 100.0 % of the others" in text
    assert "closed at its budget" not in told(["model", "model", None, None])
