"""The parts of the example by themselves: its recipe, its training, its accounts, and what is published."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from examples.families import chart, coverage, results
from examples.families.accounts import Account, Drawn, num_parameters, ratio, read_account
from examples.families.coverage_data import ALPHABET, draw_sums, fact_table
from examples.families.measure import ALONE, CASCADE, FAMILY, LARGE_ALONE, Measurement, sha256
from examples.families.problem_sets import held_out_sets
from examples.families.recipe import RECIPE, load_recipe, scaled
from examples.families.settings import load_settings
from examples.families.settings import scaled as scaled_settings
from examples.families.train import (
    COVERAGE,
    REASONER,
    Trainee,
    coverage_batches,
    field_batches,
    member_batches,
    trainees,
)
from jobs.config import ConfigError, load_config, read_toml
from models.tiny_reasoner.problems.item import Item
from runstore.schema import SAMPLE_SCHEMA

HERE = RECIPE.parent
CHECKPOINTS = HERE / "checkpoints"
PUBLISHED = json.loads((HERE / "results" / "results.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> object:
    """Floating-point sums depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# The recipe and the data.


def test_the_arms_have_the_same_compute() -> None:
    """In parameters x steps, each model counted as its own shipped weights say."""
    recipe = load_recipe()
    compute = {name: m.steps * num_parameters(CHECKPOINTS / name) for name, m in recipe.members.items()}
    family = sum(compute[name] for name in recipe.fields)
    assert compute["generalist"] == family
    assert compute["large_generalist"] == pytest.approx(family, rel=0.01)
    size = sum(num_parameters(CHECKPOINTS / name) for name in recipe.fields)
    assert num_parameters(CHECKPOINTS / "large_generalist") == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('size = "large"', 'size = "huge"', "members.large_generalist.size: 'huge' is not among sizes"),
        ('turns = ["programs"]', 'turns = ["poems"]', "members.programs.turns: 'poems' is not among fields"),
        ('programs = ["programs"]', 'programs = ["poems"]', "fields.programs: 'poems' is no domain"),
        ("width = 192", "width = 200", "width: is 200 and should be 32 x heads, 192"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(tmp_path: Path, before: str, after: str, what: str) -> None:
    text = RECIPE.read_text()
    assert before in text
    path = tmp_path / "recipe.toml"
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ConfigError, match=re.escape(what)):
        load_recipe(path)


def test_the_generalist_sees_the_batches_of_the_specialists() -> None:
    recipe = load_recipe().model_copy(update={"batch_size": 2})
    tokenizer = AutoTokenizer.from_pretrained(REASONER)
    turns = recipe.members["generalist"].turns
    mixed = list(itertools.islice(member_batches(recipe, turns, tokenizer, 0), 80))
    for field in recipe.fields:
        own = [batch for step, batch in enumerate(mixed) if turns[step % len(turns)] == field]
        assert own == list(itertools.islice(field_batches(recipe, field, tokenizer, 0), len(own)))
    # From any step on the stream is the same, also in the middle of a chunk.
    assert mixed[37:] == list(itertools.islice(member_batches(recipe, turns, tokenizer, 37), 43))


def test_facts_come_round_equally_often() -> None:
    recipe = load_recipe()
    settings = recipe.coverage.model_copy(update={"facts": 10, "facts_per_step": 4, "sums_per_step": 1})
    batches = coverage_batches(recipe.model_copy(update={"coverage": settings}), 0)
    shown = [tuple(e.tokens) for step, batch in enumerate(itertools.islice(batches, 20)) if step % 2 for e in batch]
    assert len(shown) == 40 and {shown.count(fact) for fact in shown} == {4} and len(set(shown)) == 10
    assert len(set(shown[:10])) == 10, "each lap shows every fact once"


def test_sums_are_right_and_their_sides_apart() -> None:
    sides = {held_out: draw_sums("test", 2000, held_out) for held_out in (False, True)}
    assert not {q.prompt for q in sides[False]} & {q.prompt for q in sides[True]}
    for question in sides[True][:200]:
        totals = itertools.accumulate(map(int, question.prompt.rstrip("=")))
        assert question.answer == "".join(f"{total % 10}" for total in totals) + "."
    assert len({q.prompt for q in fact_table(1, 500)}) == 500
    assert len(set(ALPHABET)) == len(ALPHABET)


def test_the_measured_problems_are_held_out() -> None:
    recipe, settings = load_recipe(), load_settings()
    sets = held_out_sets(recipe, {settings.seed: 18, **dict.fromkeys(settings.cascade_seeds, 9)})
    first = sets[settings.seed]
    assert all(item.held_out for items in sets.values() for item in items)
    counts = [sum(recipe.field_of(item.domain) == field for item in first) for field in recipe.fields]
    assert counts == [18, 18, 18]
    assert {item.domain for item in first} == {domain for domains in recipe.fields.values() for domain in domains}
    # What the cascade was chosen on and what it is measured on are different problems.
    ids = [item.problem().id for items in sets.values() for item in items]
    assert len(sets) == 4 and len(set(ids)) == len(ids)
    assert held_out_sets(recipe, {settings.seed: 18})[settings.seed] == first


def test_the_solve_configs_are_valid() -> None:
    for name in ("single.toml", "specialists.toml", "cascade.toml"):
        load_config(HERE / name)


# Training.


@pytest.mark.parametrize("name", ["pocket", f"{COVERAGE}28k"])
def test_training_resumes_to_the_same_weights(tmp_path: Path, name: str) -> None:
    recipe = scaled(load_recipe(), 0.001).model_copy(update={"batch_size": 4})
    tokenizer = AutoTokenizer.from_pretrained(REASONER)
    whole, halves = (trainees(recipe, tmp_path, tmp_path / each)[name] for each in ("whole", "halves"))
    assert whole.steps == 10
    whole.train(tokenizer, 10, 1e9)
    whole.checkpoint.unlink()
    halves.train(tokenizer, 3, 1e9)
    assert not halves.out.exists(), "a model that is not complete is not written"
    halves.train(tokenizer, 10, 1e9)
    first, second = (load_file(t.out / "model.safetensors") for t in (whole, halves))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    assert all(tensor.dtype == torch.bfloat16 for tensor in first.values())
    assert (whole.out / "training.csv").read_text() == (halves.out / "training.csv").read_text()
    # Complete: the same command trains nothing, and brings back a folder that was lost.
    written = (halves.out / "model.safetensors").stat().st_mtime_ns
    halves.train(tokenizer, 10, 1e9)
    assert (halves.out / "model.safetensors").stat().st_mtime_ns == written


def test_a_checkpoint_that_decayed_towards_another_end_is_refused(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(REASONER)
    name = f"{COVERAGE}28k"

    def trainee(steps: int, **changed: object) -> Trainee:
        recipe = load_recipe()
        coverage = recipe.coverage.model_copy(update={"steps": steps})
        return trainees(recipe.model_copy(update={"coverage": coverage, **changed}), tmp_path, tmp_path / "out")[name]

    trainee(8).train(tokenizer, 6, 1e9)
    trainee(12).train(tokenizer, 7, 1e9)  # the rate was still flat: it may be made longer
    trainee(12).train(tokenizer, 10, 1e9)
    for steps, what in ((40, "fallen towards an end at step 12, not 40"), (9, "fallen towards an end at step 12")):
        with pytest.raises(ConfigError, match=what):
            trainee(steps).train(tokenizer, steps, 1e9)
    with pytest.raises(ConfigError, match="another recipe"):
        trainee(12, peak=1e-4).train(tokenizer, 12, 1e9)


# The shipped models.


def test_the_shipped_models_are_small_and_are_those_that_were_measured() -> None:
    files = [path for path in CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40e6
    recipe = load_recipe()
    assert {path.name for path in CHECKPOINTS.iterdir()} == set(trainees(recipe, Path(), Path()))
    for name, digest in PUBLISHED["weights"].items():
        folder = REASONER if name == "reasoner" else CHECKPOINTS / name
        assert sha256(folder / "model.safetensors") == digest, name
    for name, member in recipe.members.items():
        assert results.training(CHECKPOINTS / name)["steps"] == member.steps


def test_a_shipped_specialist_answers() -> None:
    """A theorem of the training side, greedily: the likeliest text is a fenced proof."""
    folder = CHECKPOINTS / "theorems"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompt = "Prove in Lean 4: theorem t1 (x : Nat) (h : 7 < x) : 5 ≤ x"
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
    )
    asked = tokenizer(chat, return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        found = model.generate(**asked, do_sample=False, max_new_tokens=40)[0, asked["input_ids"].shape[1] :]
    assert "omega" in tokenizer.decode(found, skip_special_tokens=True)


def test_the_published_facts_are_those_of_the_shipped_models() -> None:
    recipe = load_recipe()
    facts = fact_table(recipe.seed, recipe.coverage.facts)
    for size in ("28k", "258k"):
        found = coverage.share_right(coverage.load(CHECKPOINTS / f"{COVERAGE}{size}"), facts)
        assert found.value == pytest.approx(PUBLISHED["coverage"]["sizes"][size]["facts"]["value"], abs=0.01)


# The accounts.


def sample_row(name: str, index: int, status: str | None, pool: str, tokens: int) -> dict[str, object]:
    row: dict[str, object] = {}
    for field in SAMPLE_SCHEMA:
        empty = {pa.string(): "", pa.float64(): 0.0, pa.bool_(): False}
        row[field.name] = None if field.nullable else empty.get(field.type, 0)
    own = {"run_id": "r", "problem_id": name, "sample_index": index, "domain": "programs", "status": status}
    row |= own | {"pool": pool, "prompt_tokens": 10, "completion_tokens": tokens, "finished_at": 0}
    return row


def write_run(folder: Path, rows: list[dict[str, object]], complete: bool = True) -> Path:
    (folder / "samples").mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)
    pq.write_table(table, folder / "samples" / "part-00000001-00000000.parquet")
    summary = {"complete": complete, "stopped": "", "ready_s": 3.0, "generated_s": 7.0, "usd": 0.5}
    (folder / "run.json").write_text(json.dumps({"summary": summary}))
    return folder


def test_an_account_counts_every_token_of_every_sample(tmp_path: Path) -> None:
    rows = [
        sample_row("a", 0, "verified", "small", 5),
        sample_row("b", 0, "refuted", "small", 20),
        sample_row("b", 1, "verified", "large", 10),
        sample_row("a", 1, "refuted", "small", 50),
        sample_row("c", 0, "refuted", "small", 1),
        sample_row("c", 1, None, "large", 2),
    ]
    account = read_account(write_run(tmp_path / "run", rows), {"small": 100, "large": 1000})
    assert account.solved == {"a", "b"} and (account.seconds, account.usd) == (4.0, 0.5)
    assert account.problems["b"].cost == 30 * 100 + 20 * 1000
    assert (account.problems["a"].cost, account.problems["a"].cost_until_solved) == (75 * 100, 15 * 100)
    assert account.problems["b"].cost_until_solved == account.problems["b"].cost
    assert account.cost == (15 + 60 + 30 + 11) * 100 + (20 + 12) * 1000
    assert account.by_pool["large"] == {"samples": 2, "tokens": 32, "cost": 32_000, "reached": 2, "solved": 1}
    with pytest.raises(ValueError, match="not complete"):
        read_account(write_run(tmp_path / "cut", rows, complete=False), {"small": 1, "large": 1})


def account_of(counts: dict[str, int], samples: int, tokens: int, parameters: int) -> Account:
    problems = {
        name: Drawn("programs", samples, right, tokens * samples, float(parameters * tokens * samples))
        for name, right in counts.items()
    }
    return Account(problems, {}, 1.0, 0.1)


def test_what_is_expected_of_a_cascade_is_what_a_simulation_finds() -> None:
    """By drawing the stored samples in random orders and playing the cascade with them."""
    small = account_of({"a": 3, "b": 1, "c": 0}, 4, 10, 1)
    large = account_of({"a": 4, "b": 2, "c": 1}, 4, 20, 5)
    kept, cost = results.expected(small, large, 2, 3)
    rng = Random(1)

    def play(account: Account, name: str, most: int) -> tuple[bool, float]:
        own = account.problems[name]
        order = rng.sample([True] * own.verified + [False] * (own.samples - own.verified), own.samples)[:most]
        drawn = order.index(True) + 1 if True in order else most
        return True in order, drawn * own.cost / own.samples

    sums = [0.0] * 4
    for _ in range(20_000):
        for name in "abc":
            alone, spent = play(large, name, 4)
            first, before = play(small, name, 2)
            second, after = play(large, name, 3) if not first else (False, 0.0)
            sums = [
                x + y for x, y in zip(sums, (alone, alone and (first or second), spent, before + after), strict=True)
            ]
    assert kept == pytest.approx(sums[1] / sums[0], abs=0.01)
    assert cost == pytest.approx(sums[3] / sums[2], abs=0.01)


def test_the_choice_keeps_most_of_what_the_price_allows() -> None:
    """A first model as good as the large one replaces it; one that solves nothing is dearer than to leave it out."""
    large = account_of({f"{k}": 4 for k in range(8)}, 8, 10, 100)
    useless = account_of({f"{k}": 0 for k in range(8)}, 8, 10, 1)
    perfect = account_of({f"{k}": 8 for k in range(8)}, 8, 10, 1)
    accounts = {"pocket": useless, "generalist": perfect, "specialists": useless, "reasoner": large}
    rows = {row["first"]: row for row in results.choice(accounts, 8) if row["aim"] == results.CHEAP}
    assert rows["generalist"]["expected_kept"] == 1 and rows["generalist"]["expected_cost"] < 0.02
    assert (rows["none"]["samples"], rows["none"]["reasoner_samples"]) == (0, 1)
    assert rows["none"]["expected_kept"] == 0.5 and rows["none"]["expected_cost"] > results.TARGET_COST
    assert (rows["pocket"]["samples"], rows["pocket"]["reasoner_samples"]) == (1, 1)
    assert rows["pocket"]["expected_cost"] == pytest.approx(rows["none"]["expected_cost"] + 0.0055, abs=2e-3)
    keeping = [row for row in results.choice(accounts, 8) if row["aim"] == results.KEEPING]
    assert all(row["expected_kept"] >= results.TARGET_KEPT for row in keeping)
    assert {row["first"]: row["reasoner_samples"] for row in keeping if row["first"] != "generalist"} == {
        "none": 4,
        "pocket": 4,
        "specialists": 4,
    }


def test_the_shipped_cascade_is_the_one_that_was_chosen() -> None:
    """The cheapest plan that should keep 95 %, whatever the first stage."""
    rows = [row for row in PUBLISHED["choice"] if row["aim"] == results.KEEPING]
    best = min(rows, key=lambda row: row["expected_cost"])
    stages = read_toml(HERE / "cascade.toml")["cascade"]["stages"]
    assert stages == [
        {"model": best["first"], "samples": best["samples"]},
        {"model": "reasoner", "samples": best["reasoner_samples"]},
    ]
    assert PUBLISHED["stages"] == stages


def test_a_cascade_is_compared_on_the_same_problems_only() -> None:
    ours, theirs = account_of({"a": 1, "b": 0}, 1, 10, 1), account_of({"a": 1, "b": 1}, 1, 10, 4)
    theirs.problems["b"].cost_until_solved = theirs.problems["a"].cost_until_solved = 20.0
    found = results.compared(ours, theirs)
    assert found["kept"]["value"] == 0.5 and found["cost"]["value"] == 0.25
    assert found["cost_if_alone_stopped"]["value"] == 0.5
    assert found["kept"]["low"] == 0 and found["kept"]["high"] == 1
    with pytest.raises(ValueError, match="different problems"):
        results.compared(ours, account_of({"a": 1}, 1, 10, 4))


def test_a_ratio_has_the_interval_of_its_problems() -> None:
    assert ratio([(1.0, 0.0)] * 3) is None
    even = ratio([(1.0, 2.0)] * 50)
    assert even is not None
    assert (even.value, even.low, even.high) == (0.5, 0.5, 0.5)
    spread = ratio([(0.0, 1.0), (1.0, 1.0)] * 50)
    assert spread is not None
    assert spread.value == 0.5 and 0.38 < spread.low < 0.42 and 0.58 < spread.high < 0.62


def test_unequal_samples_are_no_pass_rate() -> None:
    with pytest.raises(ValueError, match="has 7 samples and should have 8"):
        results.stops({"a": Drawn("programs", 7, 1)}, 8)


# What is published.


def made_up_runs(measurement: Measurement, items: dict[str, list[Item]]) -> None:
    """The small models verify every second sample, the reasoner all, the cascade's first stage programs alone."""

    def row(item: Item, index: int, right: bool, pool: str) -> dict[str, object]:
        status = "verified" if right else "refuted"
        return sample_row(item.problem().id, index, status, pool, 30) | {"domain": item.domain}

    runs: dict[str, list[dict[str, object]]] = {}
    for name in (FAMILY, *ALONE):
        runs[name] = []
        for item in items["fields"]:
            pool = load_recipe().field_of(item.domain) if name == FAMILY else "model"
            right = [name == "reasoner" or index % 2 == 0 for index in range(8)]
            runs[name] += [row(item, index, right[index], pool) for index in range(8)]
    for item in items["cascade"]:
        first = item.domain == "programs"
        runs.setdefault(CASCADE, []).append(row(item, 0, first, "pocket"))
        if not first:
            runs[CASCADE].append(row(item, 1, True, "reasoner"))
        runs.setdefault(LARGE_ALONE, []).extend(row(item, index, True, "model") for index in range(8))
    for name, rows in runs.items():
        write_run(measurement.out / "runs" / name, rows)


def test_what_is_published_of_made_up_runs(tmp_path: Path) -> None:
    settings, recipe = scaled_settings(load_settings(), 0.05), load_recipe()
    measurement = Measurement(settings, recipe, CHECKPOINTS, tmp_path)
    measurement.check_folder()
    sets = held_out_sets(recipe, {settings.seed: settings.per_field, 21: settings.cascade_per_field})
    assert settings.cascade_seeds == (21,)
    made_up_runs(measurement, {"fields": sets[settings.seed], "cascade": sets[21]})
    (tmp_path / "stages.jsonl").write_text('{"run": "specialists", "seconds": 1.5}\n')
    found = measurement.publish()
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(found))
    for field in recipe.fields:
        e = found["fields"]["specialists"]["fields"][field]
        assert (e["problems"], e["solved"], e["pass@1"]["value"]) == (settings.per_field, settings.per_field, 0.5)
        assert e["tokens_per_solved"]["value"] == 8 * 40
    assert found["differences"]["specialists - generalist"]["all"]["pass@1"]["value"] == 0
    row = found["cascade"]["by_seed"]["21"]
    assert row == found["cascade"]["by_seed"]["all"] and row["kept"]["value"] == 1
    assert found["cascade"]["pools"]["reasoner"]["reached"] == 2 * settings.cascade_per_field
    small, large = (num_parameters(measurement.model(name)) for name in ("pocket", "reasoner"))
    assert row["cost"]["value"] == pytest.approx((small + 2 / 3 * large) / (8 * large), abs=1e-4)
    assert row["cost_if_alone_stopped"]["value"] == pytest.approx((small + 2 / 3 * large) / large, abs=1e-4)
    assert all((tmp_path / name).read_text() == picture for name, picture in chart.pictures(found).items())
    assert str(tmp_path) not in (tmp_path / "results.json").read_text()
    # Another size in the same folder is refused.
    with pytest.raises(ConfigError, match="begun with other settings"):
        Measurement(load_settings(), recipe, CHECKPOINTS, tmp_path).check_folder()


def test_a_tenth_is_smaller_in_every_part() -> None:
    whole, tenth = load_settings(), scaled_settings(load_settings(), 0.1)
    assert (tenth.per_field, len(tenth.cascade_seeds)) == (round(whole.per_field / 10), 1)
    assert tenth.samples == whole.samples, "pass@k keeps its k"
    assert scaled_settings(whole, 1.0) == whole


def test_the_pictures_are_those_of_the_published_results() -> None:
    for name, picture in chart.pictures(PUBLISHED).items():
        assert (HERE / "results" / name).read_text() == picture
        root = ElementTree.fromstring(picture)
        view = [float(number) for number in root.attrib["viewBox"].split()]
        dots = root.findall("{http://www.w3.org/2000/svg}circle")
        assert dots
        for dot in dots:
            assert 0 < float(dot.attrib["cx"]) < view[2] and 0 < float(dot.attrib["cy"]) < view[3]
        assert "prefers-color-scheme: dark" in picture


def test_the_readme_says_what_was_measured() -> None:
    """Every row of its tables that names a model, a seed or a size is made from results.json."""
    readme = (HERE / "README.md").read_text()
    rows = list(results.readme_rows(PUBLISHED))
    assert len(rows) > 15
    assert [row for row in rows if row not in readme] == []
    assert PUBLISHED["settings"] == load_settings().model_dump(mode="json"), "results.json is of the shipped settings"
