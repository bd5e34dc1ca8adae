"""The layouts of problem files that are read, and how a file's first row tells which one it is.

Promises: a file has one layout; a row of another shape is a fault, not a guess. Where a publisher gives no id, a
problem's id is `<file label>-<line>`, which stays the same as long as the file does.
Sources: the publishers' own files and readers; docs/problem_files.md lists them with what is taken from each.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from jobs.problems import answer_layouts as answers
from jobs.problems import (
    canonical,
    choice_layouts,
    code_layouts,
    columns_layout,
    contest_layouts,
    exam_layouts,
    function_layouts,
    lean_layouts,
    lean_texts,
    rl_layouts,
    training_layouts,
)
from jobs.problems.errors import BadRow
from jobs.problems.hub import URI as HUB_URI
from jobs.problems.mapping import ColumnMapping
from jobs.problems.rows import RowContext
from jobs.problems.sources import COMPRESSIONS
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

SHARD = re.compile(r"-\d{5}-of-\d{5}$")
"""End of the name of a file that is one of several parts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """`columns` must all be there, and `recognises` must hold, for a first row to be of this layout."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[Row, RowContext], Problem]
    recognises: Callable[[Row], bool] = lambda row: True
    kinds: tuple[str, ...] = ()
    """Kinds that its rows can have; empty: any. A `problems.kind` that is not among them is an error."""

    id_column: str = ""
    """Where a mapping says that the ids are."""
    fault: Callable[[Sequence[Row]], BadRow | None] | None = None
    """What keeps a whole file from being read, told from its first rows."""

    def fits(self, row: Row) -> bool:
        return all(name in row for name in self.columns) and self.recognises(row)


def read_canonical(row: Row, context: RowContext) -> Problem:
    if context.kind and row.get("kind") is None:
        row = {**row, "kind": context.kind}
    problem = canonical.read_canonical(row)
    if context.kind and problem.kind != context.kind:
        raise BadRow("kind", f"is {problem.kind}, but problems.kind is {context.kind}", "leave problems.kind out")
    return problem


COLUMNS = "columns"

MATH, CHOICE = (Kind.MATH,), (Kind.CHOICE,)
JUDGED = (Kind.MATH, Kind.CODE, Kind.CHOICE)

# The order counts only where one layout's columns include another's: then the more specific one comes first.
LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("canonical", (), read_canonical, canonical.looks_canonical),
        Layout(
            "bigcodebench",
            ("task_id", "code_prompt", "test", "entry_point"),
            function_layouts.read_bigcodebench,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "leetcode_dataset",
            ("problem_description", "entry_point", "test"),
            function_layouts.read_leetcode_dataset,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "humaneval", ("task_id", "prompt", "entry_point", "test"), code_layouts.read_humaneval, kinds=(Kind.CODE,)
        ),
        Layout("mbpp", ("task_id", "test_list"), code_layouts.read_mbpp, kinds=(Kind.CODE,)),
        Layout(
            "livecodebench",
            ("question_content", "public_test_cases", "private_test_cases"),
            code_layouts.read_livecodebench,
            kinds=(Kind.CODE,),
        ),
        Layout("apps", ("question", "input_output"), contest_layouts.read_apps, kinds=(Kind.CODE,)),
        Layout(
            "code_contests",
            ("description", "public_tests", "private_tests"),
            contest_layouts.read_code_contests,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "code_contests_plus",
            ("description", "checker", "validator", "generator"),
            contest_layouts.read_code_contests_plus,
            kinds=(Kind.CODE,),
        ),
        Layout("codeforces", ("description", "official_tests"), contest_layouts.read_codeforces, kinds=(Kind.CODE,)),
        Layout(
            "deepcoder",
            ("problem", "tests"),
            contest_layouts.read_deepcoder,
            contest_layouts.is_deepcoder,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "verification_info",
            ("prompt", "verification_info"),
            contest_layouts.read_verification_info,
            kinds=(Kind.MATH, Kind.CODE),
        ),
        Layout(
            "intellect_code",
            ("question", "info"),
            contest_layouts.read_intellect_code,
            contest_layouts.is_intellect_code,
            kinds=(Kind.CODE,),
        ),
        Layout("rstar_coder", ("question", "inputs", "outputs"), contest_layouts.read_rstar, kinds=(Kind.CODE,)),
        Layout(
            "kodcode",
            ("question", "test", "solution"),
            function_layouts.read_kodcode,
            function_layouts.is_kodcode,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "acecode",
            ("question", "id"),
            function_layouts.read_acecode,
            function_layouts.is_acecode,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "opencodereasoning",
            ("solution", "license", "dataset", "split", "difficulty"),
            contest_layouts.read_open_code_reasoning,
            contest_layouts.is_open_code_reasoning,
            kinds=(Kind.CODE,),
        ),
        Layout(
            "gpqa", ("Question", "Correct Answer", "Incorrect Answer 1"), exam_layouts.read_gpqa, kinds=(Kind.CHOICE,)
        ),
        Layout("mmlu_pro", ("question", "options", "answer_index"), choice_layouts.read_mmlu_pro, kinds=CHOICE),
        Layout("supergpqa", ("question", "options", "answer_letter"), choice_layouts.read_supergpqa, kinds=CHOICE),
        Layout("medqa", ("question", "options", "answer_idx"), choice_layouts.read_medqa, kinds=CHOICE),
        Layout("aqua", ("question", "options", "correct"), choice_layouts.read_aqua, kinds=CHOICE),
        Layout("medmcqa", ("question", "opa", "opb", "opc", "opd", "cop"), choice_layouts.read_medmcqa, kinds=CHOICE),
        Layout("mmlu", ("question", "choices", "answer"), choice_layouts.read_mmlu, choice_layouts.is_mmlu, CHOICE),
        Layout("arc", ("answerKey",), choice_layouts.read_arc, kinds=CHOICE),
        Layout("ceval", ("question", "A", "B", "C", "answer"), choice_layouts.read_lettered_columns, kinds=CHOICE),
        Layout("cmmlu", ("Question", "A", "B", "C", "Answer"), choice_layouts.read_lettered_columns, kinds=CHOICE),
        Layout("goedel", ("formal_statement", "lean4_code"), lean_layouts.read_goedel, kinds=(Kind.LEAN,)),
        Layout("lean_3", ("formal_statement", "src_header"), lean_layouts.read_lean_3, kinds=(Kind.LEAN,)),
        Layout("minif2f", ("formal_statement", "header"), lean_layouts.read_minif2f, kinds=(Kind.LEAN,)),
        Layout(
            "proofnet_sharp",
            ("lean4_src_header", "lean4_formalization"),
            lean_layouts.read_proofnet_sharp,
            kinds=(Kind.LEAN,),
        ),
        Layout("putnambench", ("lean4_statement",), lean_layouts.read_putnambench, kinds=(Kind.LEAN,)),
        Layout("formalmath", ("theorem_names", "autoformalization"), lean_layouts.read_formalmath, kinds=(Kind.LEAN,)),
        Layout(
            "lean_file", ("formal_statement",), lean_layouts.read_lean_file, lean_layouts.is_lean_file, (Kind.LEAN,)
        ),
        Layout(
            "lean_statement",
            ("full_name", "statement"),
            lean_layouts.read_lean_statement,
            lean_layouts.is_lean_statement,
            (Kind.LEAN,),
        ),
        Layout("verl", ("data_source", "prompt", "reward_model"), training_layouts.read_verl, kinds=JUDGED),
        Layout("openai", ("custom_id", "method", "url", "body"), training_layouts.read_openai_batch),
        Layout(
            "gsm8k", ("question", "answer"), exam_layouts.read_gsm8k, exam_layouts.looks_like_gsm8k, kinds=(Kind.MATH,)
        ),
        Layout(
            "olympiadbench", ("question", "final_answer", "is_multiple_answer"), answers.read_olympiadbench, kinds=MATH
        ),
        Layout("s1k", ("question", "solution", "cot_type"), answers.read_s1k, kinds=MATH),
        Layout("orz", ("conversations",), answers.read_orz, answers.is_orz, MATH),
        Layout("webinstruct", ("question", "answer", "answer_type"), answers.read_webinstruct, kinds=(*MATH, *CHOICE)),
        Layout("intellect_math", ("question", "answer", "info"), answers.read_intellect_math, kinds=MATH),
        Layout("rlvr", ("messages", "ground_truth", "dataset"), rl_layouts.read_rlvr, kinds=(Kind.MATH, Kind.CODE)),
        Layout("skyrl", ("prompt", "env_class", "reward_spec"), rl_layouts.read_skyrl, kinds=(Kind.MATH, Kind.CODE)),
        Layout("nemo_gym", ("responses_create_params",), rl_layouts.read_nemo_gym, kinds=JUDGED),
        Layout("slime", ("prompt", "label"), rl_layouts.read_slime, kinds=MATH),
        Layout("trl", ("prompt",), rl_layouts.read_trl, rl_layouts.is_trl),
        Layout("question_answer", ("question",), answers.read_plain, answers.is_plain, MATH),
        Layout("input_answer", ("input",), answers.read_input, answers.has_input_answer, MATH),
        Layout("math", (), exam_layouts.read_math, exam_layouts.looks_like_math, kinds=(Kind.MATH,)),
        Layout(
            COLUMNS, (), functools.partial(columns_layout.read_columns, columns_layout.NO_MAPPING), lambda row: False
        ),
    )
}


TASKS = (
    code_layouts.HUMANEVAL_TASK,
    code_layouts.MBPP_TASK,
    code_layouts.STDIN_TASK,
    code_layouts.STARTER_TASK,
    contest_layouts.NAMED_TASK,
    function_layouts.DECLARATION_TASK,
    lean_texts.LEAN_TASK,
)
"""Words that layouts put around each of their problems. They are the same in all problems and part of none."""


def by_mapping(mapping: ColumnMapping) -> Layout:
    """The layout `columns` with the mapping that it reads by."""
    return dataclasses.replace(
        LAYOUTS[COLUMNS],
        read=functools.partial(columns_layout.read_columns, mapping),
        id_column=mapping.column_of("id"),
        fault=mapping.fault,
    )


def recognise(row: Row) -> Layout | None:
    return next((layout for layout in LAYOUTS.values() if layout.fits(row)), None)


COMMON = ("gsm8k", "verl", "gpqa")
MAX_NEAR = 6
"""Number of layouts whose columns an error lists."""


def unknown_layout(row: Row) -> BadRow:
    """The fault of a file whose first row is of no known layout."""
    shown = {name: excerpt(value)[:60] for name, value in list(row.items())[:20]}
    fields = ", ".join(f"{name}={value}" for name, value in shown.items())
    shared = {layout.name: sum(name in row for name in layout.columns) for layout in LAYOUTS.values() if layout.columns}
    near = sorted(shared, key=lambda name: (-shared[name], name not in COMMON))[:MAX_NEAR]
    known = "; ".join(f"{name}: {', '.join(LAYOUTS[name].columns)}" for name in near)
    return BadRow(
        "",
        f"unknown layout; the first row is {{{fields}}}",
        f"known are canonical: id, kind, prompt, reference; math: problem with answer or solution; {known}; and "
        f"{', '.join(name for name in LAYOUTS if name not in (*near, 'canonical', 'math'))}. For another one set "
        'problems.layout = "columns" with problems.columns, for instance {prompt = "question", "reference.answer" = '
        '"final"}; `proofmill problems show FILE` proposes them',
    )


def with_source(problem: Problem, uri: str) -> Problem:
    """The problem with its data set or file as its source, where the publisher's data names none."""
    return problem if problem.source else dataclasses.replace(problem, source=source_name(uri))


def source_name(uri: str) -> str:
    """The id of a data set of the hub; else the file's name without suffixes, and with its folder in front where the
    file is one of several parts.

    >>> source_name("hf://datasets/openai/gsm8k@0123abc/main/test-00000-of-00001.parquet")
    'openai/gsm8k'
    >>> source_name("sets/a.jsonl.gz"), source_name("gpqa/data/train-00000-of-00001.parquet")
    ('a', 'gpqa/train')
    """
    if found := HUB_URI.fullmatch(uri):
        return found["id"]
    path = PurePosixPath(uri.partition("#")[0] if "://" in uri else uri)  # without the number of an address shown twice
    name = path.with_suffix("").name if path.suffix in COMPRESSIONS else path.name
    stem = PurePosixPath(name).stem
    if not SHARD.search(stem):
        return stem
    # A clone of a data set: its parts all have names like those of any other set.
    folders = [part for part in path.parts[:-1] if part != "data"]
    return f"{folders[-1]}/{SHARD.sub('', stem)}" if folders else stem
