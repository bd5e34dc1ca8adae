"""Chat shapes around right programs, generated: whatever stands around it, the program is what is read."""

import ast
import itertools
import json
import random

import pytest

from verifiers.code import extraction

SUM = "a, b = map(int, input().split())\nprint(a + b)"
MAIN = '''import sys


def solve(data):
    """Adds.

    ```
    3 4 gives 7
    ```
    """
    return sum(map(int, data.split()))


if __name__ == "__main__":
    print(solve(sys.stdin.read()))'''
MARKS = 'text = input()\nprint(text.replace("```", "").strip("~~~"))  # fences are ``` or ~~~\n# ```\nprint(len(text))'
TOKEN = "# the </think> mark in a comment\nn = int(input())\nprint(n)"
PROGRAMS = {"sum": SUM, "main": MAIN, "marks": MARKS, "token": TOKEN}
CPP = """#include <iostream>
using namespace std;
int main() {
    int a, b;
    cin >> a >> b;
    cout << a + b << endl;
}"""

TICKS = "```"
OPENINGS = [
    *("```python", "```py", "```Python", "```python3", "``` python", "```python:main.py", "```{.python}", "```main.py"),
    *('```python title="main.py"', "~~~python", "````python", "   ```python", "        ```python", "\t```python"),
    *("<answer>```python", "Here it is: ```python", "- ```python", "1. ```python", "```", "Code:\n```", "```code"),
]
CLOSINGS = [
    *("\n@", "\n@\n", "@", "\n@</answer>", "\n    @", "\n@<|im_end|>", "\n@.", "\n@ That is all.", "\n@  ", "\n@</s>"),
    "\n@ <|endoftext|>",
]
BEFORE = [
    "",
    "Sure, here you go.\n\n",
    "\ufeff",
    "Use `input()` and ```print``` here.\n\n",
    "First:\n```bash\npip install numpy\n```\n\n",
    "For this input\n```\n3 4\n```\nthe answer is 7.\n\n",
    "A draft:\n```python\nx = input(\nprint(x)\n```\nThat fails.\n\n",
    "A draft:\n```python\nprint(int(input()) - 1)\n```\nThat is wrong. So:\n\n",
]
AFTER = [
    "",
    "\n\nThis reads both numbers and adds them.",
    "\n\nOutput:\n```\n7\n```\n",
    "\n\n```text\n7\n```",
    "\n\nIn Java it would be\n```java\nclass A {}\n```\n",
    "\n\n**Complexity**: O(1) (`n` is small).\n",
]


def same(left: str, right: str) -> bool:
    return ast.dump(ast.parse(left)) == ast.dump(ast.parse(right))


def shapes(count: int) -> list[tuple[str, ...]]:
    everything = list(itertools.product(OPENINGS, CLOSINGS, BEFORE, AFTER))
    return random.Random(7).sample(everything, count)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_is_read_in_every_shape(name: str) -> None:
    program = PROGRAMS[name]
    wrong = []
    for opening, closing, before, after in shapes(1200):
        mark = "~~~" if "~~~" in opening else "````" if "````" in opening else TICKS
        if name == "token" and closing not in ("\n@", "\n@\n"):
            continue  # verifiers.thoughts knows a block by a fence of its own line
        text = f"{before}{opening}\n{program}{closing.replace('@', mark)}{after}"
        try:
            source = extraction.extract(text).source
            if not same(source, program):
                wrong.append((text, source))
        except (extraction.MalformedError, SyntaxError) as error:
            wrong.append((text, str(error)))
    assert not wrong, f"{len(wrong)}, the first: {wrong[0][0]!r} gave {wrong[0][1]!r}"


@pytest.mark.parametrize(
    "after",
    [
        "Where the key line is\n```python\nprint(a + b)\n```\n",
        "**Explanation**\n\n```python\na, b = map(int, input().split())\n```\nreads both.\n",
        "The second line:\n    ```python\n    print(a + b)\n    ```\n",
        "Try it:\n```python\nprint(3 + 4)\n```\n",
        "Line by line:\n```python\na, b = ...  # two numbers\n```\n```python\nprint(a + b)\n```\n",
        "In short:\n```python\n# ... read a and b\nprint(a + b)\n```\n",
    ],
)
def test_a_line_explained_is_not_the_program(after: str) -> None:
    assert same(extraction.extract(f"```python\n{SUM}\n```\n\n{after}").source, SUM)


def test_the_better_program_comes_last() -> None:
    better = "print(sum(map(int, input().split())))"
    text = f"```python\n{SUM}\n```\nShorter:\n```python\n{better}\n```\nwhich uses\n```python\nsum([3, 4])\n```\n"
    assert same(extraction.extract(text).source, better)


def test_a_program_in_parts() -> None:
    helper, rest = "def add(a, b):\n    return a + b", "a, b = map(int, input().split())\nprint(add(a, b))"
    text = f"First\n```python\n{helper}\n```\nthen\n```python\n{rest}\n```\n"
    assert same(extraction.extract(text).source, helper + "\n" + rest)


@pytest.mark.parametrize(
    "text",
    [
        SUM + "\n```",
        SUM + "\n```\n\nThis adds the numbers.",
        "\ufeff" + SUM,
        SUM + "<|im_end|>",
        f"<answer>\n{SUM}\n</answer>",
        f"Here is the code:\n\n{SUM}\n\nIt adds them.",
        f"```python\n{SUM}",
        f"```python\n{SUM}\n\nThis adds the numbers.",
        f"``` python\n{SUM}\n``",
        f"```python import sys\n{SUM}\n```",
        f"```python\n\ufeff{SUM}\n```",
        f"```python {SUM}\n```",
        "> ```python\n> " + SUM.replace("\n", "\n> ") + "\n> ```\n\nThat is all.",
        f"```pyhton\n{SUM}\n```",
        f"```pypy3\n{SUM}\n```",
        f"```python3.11\n{SUM}\n```",
        f"```python showLineNumbers\n{SUM}\n```",
        f"**```python**\n{SUM}\n**```**",
        "Here:\n\n    " + SUM.replace("\n", "\n    ") + "\n\nThat is all.",
        "```python\r\n" + SUM.replace("\n", "\r\n") + "\r\n```\r\n",
        f"<think>\nLet me see:\n```python\nx = 1\n```\n</think>\n\n```python\n{SUM}\n```",
    ],
)
def test_a_fence_that_is_not_there(text: str) -> None:
    read = extraction.extract(text).source
    assert same(read, SUM) or same(read, "import sys\n" + SUM)


@pytest.mark.parametrize(
    "opening", ["```cpp", "```c++", "```C++", "``` cpp", "```cpp:main.cpp", "```", "<answer>```cpp"]
)
@pytest.mark.parametrize("closing", ["\n```", "```", "\n```</answer>", "\n   ```", "\n```<|im_end|>", ""])
def test_other_languages(opening: str, closing: str) -> None:
    for after in ("", "\n\nThe loop:\n```cpp\n    cin >> a >> b;\n```\n", "\n\nThat is it."):
        if closing or not after:
            text = f"So:\n\n{opening}\n{CPP}{closing}{after}"
            assert extraction.extract(text, "cpp").source.strip() == CPP, text
    for bare in (CPP, f"This is it:\n\n{CPP}\n\nIt adds.", CPP + "\n```", CPP + "<|im_end|>"):
        assert extraction.extract(bare, "cpp").source.strip() == CPP, bare


@pytest.mark.parametrize(
    "text",
    [
        "```\n7\n```",
        "```python\n7\n```",
        "```java\nclass A {}\n```",
        "I cannot.",
        "```python\nprint(\n```",
        "```",
        "~~~",
    ],
)
def test_what_is_no_program_stays_malformed(text: str) -> None:
    with pytest.raises(extraction.MalformedError):
        extraction.extract(text)


WRONG_LAST = [
    "```python\n{right}\n```\n\n<answer>\n{wrong}\n</answer>",
    "```python\n{right}\n```\n\n<answer>\n```python\n{wrong}\n```\n</answer>",
    "```python\n{right}\n``````python\n{wrong}\n```",
    "```python\n{right}\n```\n\nFinal answer:\n```\n{wrong}\n```",
    "```python\n{right}\n```\n\n{wrong_json}",
    "```python\n{right}\n```\n\n```json\n{wrong_json}\n```\n",
    "{right_json}\n{wrong_json}",
    "```python\n{right}\n```\n<answer>{wrong_json}</answer>",
]


@pytest.mark.parametrize("shape", WRONG_LAST)
@pytest.mark.parametrize("right_last", [False, True])
def test_a_draft_never_stands_for_the_final_program(shape: str, right_last: bool) -> None:
    right, wrong = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"
    first, last = (wrong, right) if right_last else (right, wrong)
    packed = {"right_json": json.dumps({"code": first}), "wrong_json": json.dumps({"code": last})}
    program = extraction.extract(shape.format(right=first, wrong=last, **packed), "python", "add")
    assert program.source.strip() == last


def in_object(program: str, **more: object) -> str:
    return json.dumps({"code": program, **more})


PACKED = {
    "object": in_object(SUM),
    "with words": in_object(SUM, explanation='I {"add"} them.', complexity="O(1)"),
    "indented": json.dumps({"language": "python", "solution": SUM}, indent=2),
    "line breaks as they are": '{"code": "' + SUM + '"}',
    "behind prose": f"Here is my answer:\n{in_object(SUM)}\n",
    "fence": f"```json\n{in_object(SUM)}\n```",
    "fence and prose": f"Sure.\n```json\n{in_object(SUM)}\n```\nThat is all.",
    "no language": f"```\n{in_object(SUM)}\n```",
    "a fence within": in_object(f"```python\n{SUM}\n```"),
    "nested": json.dumps({"answer": {"code": SUM}}),
    "list": json.dumps([{"code": SUM}]),
    "tag": f"<answer>{in_object(SUM)}</answer>",
    "thought": f"<think>\nHm.\n</think>\n{in_object(SUM)}",
    "two keys": in_object(SUM, solution="print(1)"),
    "beside its output": f'```python\n{SUM}\n```\nIt prints\n```json\n{{"answer": "7"}}\n```',
}


@pytest.mark.parametrize("name", PACKED)
def test_a_program_in_json(name: str) -> None:
    assert same(extraction.extract(PACKED[name]).source, SUM)


@pytest.mark.parametrize(
    "text",
    [
        in_object(SUM)[:-1],
        json.dumps({"program": SUM, "solution": "print(int(input()))"}),
        json.dumps([{"code": SUM}, {"code": "print(int(input()))"}]),
        json.dumps({"code": 7}),
        json.dumps({"text": SUM}),
        '{"code": ' * 10_000,
    ],
)
def test_an_object_without_one_program_is_malformed(text: str) -> None:
    with pytest.raises(extraction.MalformedError):
        extraction.extract(text)
    with pytest.raises(extraction.MalformedError):
        extraction.extract(in_object(SUM), finish_reason="length")
