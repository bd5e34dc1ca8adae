"""In another language an answer stands only in the known ways to state one; any other word may deny or bound it."""

import pytest

from verifiers.math.judge import work

STATED = [
    r"La respuesta es \boxed{5}.",
    r"Por lo tanto, la respuesta es $\boxed{5}$.",
    r"Entonces $x = \boxed{5}$.",
    r"Por tanto, el área es \boxed{5}.",
    r"La réponse est \boxed{5}.",
    r"Ainsi, $x = \boxed{5}$.",
    r"Die Antwort ist \boxed{5}.",
    r"Also ist $x = \boxed{5}$.",
    r"La risposta è \boxed{5}.",
    r"A resposta é \boxed{5}.",
    r"Ответ: \boxed{5}.",
    r"Таким образом, ответ равен \boxed{5}.",
    "答案：5",
    r"答案是\boxed{5}。",
    r"因此，答案为 $\boxed{5}$。",
    r"综上所述，$x$的值为$\boxed{5}$。",
    r"所以一共有\boxed{5}个。",
    r"따라서 답은 \boxed{5}입니다.",
    r"So José sold $\boxed{5}$ cups.",
]
NOT_STATED = """
@ es incorrecto.
@ est faux.
@ Falsch.
@ não.
@ неверно
@ 错误
@（错）
@吗？
@以上
@倍
@万
La respuesta es @, pero está mal.
La réponse est @, ce qui est faux.
Die Antwort ist @, was falsch ist.
答案：@（错误）
Si n es par, la respuesta es @.
@. Esto es incorrecto.
@. C'est faux.
@. Das ist falsch.
@。这是错的。
Quizás es @.
Vielleicht ist es @
No es @.
Ce n'est pas @
Nicht @
Это не @
这不是@
可能是@
小于@
除了@
错误答案：@
Falsche Antwort: @
Supongamos que n = @
Angenommen n = @
Según Juan @
小明得到@
""".strip().split("\n")


def status(text: str) -> str:
    return work({"reference": {"answer": "5"}, "text": text})["status"]


@pytest.mark.parametrize("text", STATED)
def test_a_known_way_to_state_an_answer(text):
    assert status(text) == "verified"


@pytest.mark.parametrize("text", NOT_STATED)
def test_any_other_word_may_say_something_else(text):
    for box in (r"\boxed{5}", r"$\boxed{5}$"):
        assert status(text.replace("@", box)) == "malformed"
        assert status("We compute.\n\n" + text.replace("@", box)) == "malformed"


@pytest.mark.parametrize("label", ["Falsche Antwort:", "Respuesta incorrecta:", "错误答案："])
def test_a_label_above_the_answer(label):
    assert status(f"{label}\n\\boxed{{5}}") == "malformed"
