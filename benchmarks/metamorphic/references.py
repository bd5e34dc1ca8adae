"""Reference answers of our own making, in the forms that public sets use. The same seed makes the same references."""

from __future__ import annotations

import random
from collections.abc import Callable

Draw = random.Random


def references(count: int, seed: int = 0) -> list[dict[str, str]]:
    """`count` different references, as evenly over the forms as they allow."""
    rng = random.Random(seed)
    made: dict[str, str] = {}
    while len(made) < count:
        for name, form in _FORMS.items():
            made.setdefault(form(rng), name)
            if len(made) == count:
                break
    return [{"answer": answer, "set": name} for answer, name in made.items()]


def _integer(rng: Draw) -> str:
    return str(rng.choice([rng.randrange(10), rng.randrange(1000), rng.randrange(10**6), -rng.randrange(1, 100)]))


def _positive(rng: Draw) -> int:
    return rng.randrange(2, 40)


def _two(rng: Draw, top: int = 30) -> tuple[int, int]:
    """Two different whole numbers in ascending order."""
    low, high = sorted(rng.sample(range(1, top), 2))
    return low, high


def _thousands(rng: Draw) -> str:
    return f"{rng.randrange(1000, 10**9):,}".replace(",", rng.choice([",", r",\!", "{,}", r"\,"]))


def _decimal(rng: Draw) -> str:
    return rng.choice(["", "-"]) + f"{rng.randrange(200)}.{rng.randrange(1, 100):02d}"


def _float(rng: Draw) -> str:
    return f"{rng.randrange(1000)}.0"


def _fraction(rng: Draw) -> str:
    low, high = _two(rng)
    sign = rng.choice(["", "-"])
    if rng.random() < 0.2:
        return f"{sign}{low}/{high}"
    if low < 10 and high < 10 and rng.random() < 0.3:
        return rf"{sign}\frac{low}{high}"
    return rng.choice(
        [rf"{sign}\frac{{{low}}}{{{high}}}", rf"{sign} \dfrac{{{high}}}{{{low}}}", rf"{sign}\tfrac{{{low}}}{{{high}}}"]
    )


def _spaced_fraction(rng: Draw) -> str:
    low, high = _two(rng)
    return rf"{rng.choice(['', '- '])}\frac {{ {low} }} {{ {high} }}"


def _mixed(rng: Draw) -> str:
    low, high = _two(rng)
    return rf"{_positive(rng)}\frac{{{low}}}{{{high}}}"


def _radical(rng: Draw) -> str:
    a, b = _positive(rng), rng.choice([2, 3, 5, 6, 7, 10, 11, 15])
    return rng.choice(
        [
            rf"{a}\sqrt{{{b}}}",
            rf"{a}+\sqrt{{{b}}}",
            rf"\frac{{{a}-\sqrt{{{b}}}}}{{2}}",
            rf"\sqrt[3]{{{b}}}",
            rf"\frac{{\sqrt{{{b}}}}}{{{a}}}",
            rf"\sqrt{b}" if b < 10 else rf"\sqrt{{{b}}}",
            rf"{a} - {a + 1}\sqrt{{{b}}}",
        ]
    )


def _pi(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [rf"{a}\pi", rf"\frac{{{a}\pi}}{{{b}}}", rf"\frac{{\pi}}{{{b}}}", rf"{a} \pi + {b}", rf"\dfrac{{{a}}}{{\pi}}"]
    )


def _power(rng: Draw) -> str:
    a, b = _two(rng, 12)
    return rng.choice(
        [
            f"{a + 1}^{{{b * 3}}}",
            f"2^{{{a * 7}}} - 1",
            rf"{b}^{{{a}}} \cdot 3^{{{b}}}",
            rf"{a} \times 10^{{{b}}}",
            f"{b}!",
            f"({a}!)^2+1",
        ]
    )


def _polynomial(rng: Draw) -> str:
    a, b = _two(rng, 9)
    x = rng.choice("xtyzrn")
    return rng.choice(
        [
            f"{a + 1}{x}^2 + {b}{x} - {a}",
            f"({x}+{a})({x}-{b})",
            f"{b}{x}^3-{a + 1}{x}",
            f"({x} - {a})^2",
            rf"\frac{{{x}+{a}}}{{{x}-{b}}}",
            f"{a} ( {x} - {b} ) ^ {{ 2 }}",
            f"-{b}{x}+{a}",
            f"{b} - {a + 1}{x}",
        ]
    )


def _formula(rng: Draw) -> str:
    return rng.choice(
        [
            r"\frac{1}{2}at^2",
            "ax+by",
            r"\frac{n(n+1)}{2}",
            "2an",
            r"\pi r^2h",
            r"\sqrt{a^2+b^2}",
            r"\frac{v^2_0}{2g}",
            r"\frac{ab}{a+b}",
            "e^{it}",
            r"\frac{1}{2}mv^2",
            r"(2n)! \cdot 2^{n^2}",
            r"\frac{a+b}{c}",
            r"a^2b-ab^2",
            "3R^2",
            r"\lambda_1+\lambda_2",
            "x_1x_2",
            r"\frac{n^2-n+2}{2}",
        ]
    )


def _function(rng: Draw) -> str:
    a, b = _two(rng, 9)
    return rng.choice(
        [
            rf"\sin({a + 1}x)",
            rf"\cos^{{2}} x+{b}",
            rf"{b}\ln x",
            rf"e^{{{a}x}}+{b}",
            rf"\log_{{{a + 1}}} {b + 2}",
            rf"\ln {b + 1}",
            rf"\sin\frac{{\pi}}{{{b + 6}}}",
            rf"\arctan\frac{{{a}}}{{{b + 5}}}",
            rf"\tan {a + 10}^\circ",
            rf"{a} e^{{-{b}t}}",
            rf"\arcsin\frac{{1}}{{{b + 1}}}",
            rf"|x-{b}|",
        ]
    )


def _equation(rng: Draw) -> str:
    a, b = _two(rng, 12)
    return rng.choice(
        [
            f"y={a + 1}x+{b}",
            f"y = -{b}x - {a}",
            f"{a + 1}x-{b + 1}y+{a}=0",
            f"x^2+y^2={b * b + 1}",
            rf"\frac{{x^2}}{{{b + 1}}}+\frac{{y^2}}{{{a}}}=1",
            rf"y=\frac{{{b}}}{{x}}",
            f"f(x)={a + 1}x^2+{b}",
            f"(x-{a})^2+(y+{b})^2={a + b}",
            f"y = {b} ( x + {a} ) ^ {{ 2 }} - {a}",
        ]
    )


def _value_of_name(rng: Draw) -> str:
    name = rng.choice(
        ["x", "a", "m", "k", "AB", r"\angle A", "f(2)", "P(A)", "S_n", "a_{10}", r"\frac{AM}{MB}", "e", r"\cos A"]
    )
    value = rng.choice([str(_positive(rng)), rf"\frac{{{_positive(rng)}}}{{{_positive(rng) + 41}}}"])
    return f"{name}={value}" if rng.random() < 0.6 else f"{name} = {value}"


def _values_of_names(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            f"x={a}, y={b}",
            f"AB={a}, CD={b}",
            f"f(1)={a}, f(2)={b}",
            f"P(A)=\\frac{{1}}{{{a + 1}}}, P(B)=\\frac{{1}}{{{b + 1}}}",
            f"a = {b}, b = {a}",
            f"f(x)={a}x, g(x)={b}x",
            f"x_1={a}, x_2={b}",
        ]
    )


def _inequality(rng: Draw) -> str:
    a, b = _two(rng, 12)
    x = rng.choice("xamk")
    relation = rng.choice(["<", ">", r"\le", r"\ge", r"\neq", r"\leq", r"\geq"])
    return rng.choice(
        [
            f"{x} {relation} {a}",
            f"{x} {relation} - {b}",
            rf"{x} {relation} \frac {{ {a} }} {{ {b} }}",
            f"-{a} < {x} < {b}",
            rf"{a} \le {x} \le {b}",
            f"{x}<{a} \\text{{ or }} {x}>{b}",
        ]
    )


def _interval(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            f"({a},{b})",
            f"[{a},{b}]",
            f"[{a}, {b})",
            rf"({a},\infty)",
            rf"(-\infty, {b}]",
            rf"(-\infty,{a})\cup({b},\infty)",
            rf"[-{b},-{a}] \cup [{a},{b}]",
            rf"\left( -\infty, -\frac{{1}}{{{b}}} \right)",
            rf"x \in [-{a},{b}]",
            rf"(-{b},-{a})\cup(-{a},\infty)",
            rf"\left[{a},{b}\right)",
        ]
    )


def _tuple(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            f"({b},{a})",
            f"({a}, -{b}, {a + b})",
            rf"\left(\frac{{{a}}}{{{b + 1}}},{b}\right)",
            f"(-{a},{b})",
            rf"(0, {b}, -\sqrt{{2}})",
            rf"\langle {a},{b} \rangle",
        ]
    )


def _list(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            f"{a},{b}",
            f"{b}, {a}, {a + b}",
            rf"{a}, {b}, \text{{ and }} {a + b}",
            f"({a},{b}), ({b},{a})",
            rf"\sqrt{{{b + 3}}}, -{a}",
            rf"{a}, {b} \pm \sqrt{{2}}",
            rf"\frac{{1}}{{{b}}}, {a}",
            rf"{a} \text{{ and }} {b}",
            rf"{a} \text{{ or }} {b}",
            f"{a},{a + 100},{b + 200}",
        ]
    )


def _set(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            rf"\{{{a},{b}\}}",
            rf"\{{{a}, {b}, {a + b}\}}",
            rf"\{{1\pm\sqrt{{{b}}},-{a}\}}",
            rf"\left\{{ {a}, {b} \right\}}",
            rf"\{{x \mid x > {a}\}}",
            rf"\{{-{b},{a},{b + 100}\}}",
        ]
    )


def _signs(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice([rf"\pm {a}", rf"{a} \pm \sqrt{{{b}}}", rf"\pm\frac{{{a}}}{{{b}}}", rf"\pm {b}i"])


def _complex(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [f"{a}+{b}i", f"{a} - {b}i", rf"-\frac{{{a}}}{{5}} + \frac{{2}}{{{b}}}i", f"{b}i", rf"{a}e^{{i\pi/{b}}}"]
    )


def _matrix(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice(
        [
            rf"\begin{{pmatrix}} {a} & {b} \\ 0 & -{a} \end{{pmatrix}}",
            rf"\begin{{pmatrix}} {a} \\ -{b} \end{{pmatrix}}",
            rf"\begin{{bmatrix}}{a}&1\\{b}&2\end{{bmatrix}}",
            rf"\begin{{pmatrix}} 1/{a + 1} \\ -{b}/7 \end{{pmatrix}}",
        ]
    )


def _unit(rng: Draw) -> str:
    a = _positive(rng)
    unit = rng.choice(
        [
            "cm",
            "km",
            "m",
            "hours",
            "minutes",
            "feet",
            "inches",
            "kg",
            "seconds",
            "min",
            "miles",
            "square units",
            "dollars",
            "cents",
            "apples",
            "ways",
            "years",
        ]
    )
    return (
        rng.choice([rf"{a}\text{{ {unit}}}", rf"{a} \text{{ {unit}}}", rf"{a}\mbox{{ {unit}}}"])
        if rng.random() < 0.7
        else rf"{a}\text{{ cm}}^{rng.choice('23')}"
    )


def _money(rng: Draw) -> str:
    return rf"\${_positive(rng)}.{rng.randrange(10, 100)}"


def _percent(rng: Draw) -> str:
    return rng.choice([rf"{_positive(rng)}\%", rf"{_positive(rng)}.5\%", r"33\frac13\%"])


def _degrees(rng: Draw) -> str:
    a = rng.randrange(5, 180)
    return rng.choice([rf"{a}^\circ", rf"{a}^{{\circ}}", rf"{a}\text{{ degrees}}", rf"{a}^{{\circ}} 45^{{\prime}}"])


def _base(rng: Draw) -> str:
    base = rng.randrange(3, 10)
    return f"{''.join(rng.choice('12') for _ in range(4))}_{base if rng.random() < 0.5 else '{' + str(base) + '}'}"


def _ratio(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice([f"{a}:{b}", f"{a} : {b} : {a + b}"])


def _time(rng: Draw) -> str:
    return rng.choice(
        [
            f"{rng.randrange(1, 12)}:{rng.randrange(10, 60)} \\text{{ {rng.choice('ap')}.m.}}",
            f"0{rng.randrange(1, 10)}\\!:\\!{rng.randrange(10, 60)}",
        ]
    )


def _words(rng: Draw) -> str:
    return rng.choice(
        [
            r"\text{even}",
            r"\text{Yes}",
            r"\text{No}",
            r"\text{ellipse}",
            r"\text{Player A}",
            r"\text{Tuesday}",
            r"\text{Ann}",
            r"\text{Aa}",
            r"\text{B, A, C}",
            r"\text{A, B, C}",
            r"\text{increasing}",
            r"\text{neither}",
            r"\text{point}",
            r"\text{No solution}",
            r"\text{Monday, Wednesday}",
        ]
    )


def _letter(rng: Draw) -> str:
    letter = rng.choice("ABCDE")
    return rng.choice([letter, rf"\text{{({letter})}}", rf"\text{{{letter}}}", f"({letter})", rf"\text{{{letter},E}}"])


def _letters(rng: Draw) -> str:
    return (
        "".join(rng.choice("HT") for _ in range(rng.randrange(2, 5))) + "H"
        if rng.random() < 0.5
        else rng.choice(["BAC", "MNOP", "TTH", "CABD"])
    )


def _family(rng: Draw) -> str:
    a, b = _two(rng, 8)
    return rng.choice(
        [
            rf"x=\frac{{\pi}}{{{b}}}+{a}k\pi, k\in\mathbb{{Z}}",
            rf"x \equiv {a} \pmod{{{b}}}",
            rf"\frac{{k\pi}}{{{a + 1}}}, k \in \mathbb{{Z}}",
        ]
    )


def _piecewise(rng: Draw) -> str:
    a, b = _two(rng, 9)
    return rf"\begin{{cases}} {a}x & x \ge {b} \\ -x & x < {b} \end{{cases}}"


def _counting(rng: Draw) -> str:
    a, b = _two(rng, 12)
    return rng.choice(
        [
            rf"\binom{{{b + 2}}}{{{a + 1}}}",
            f"C_{{{b + 2}}}^{{{a + 1}}}",
            rf"\binom{{{b + 2}}}{{{a + 1}}} + 2^{{{a}}}",
            rf"\frac{{{b + 2}!}}{{{a + 1}!}}",
        ]
    )


def _vector(rng: Draw) -> str:
    a, b = _two(rng)
    return rng.choice([rf"{a}\mathbf{{i}}+{b}\mathbf{{j}}", rf"({a}, {b})", rf"\langle {b}, -{a}, 1\rangle"])


def _repeating(rng: Draw) -> str:
    return rf"{rng.randrange(3)}.\overline{{{rng.randrange(1, 99)}}}"


_FORMS: dict[str, Callable[[Draw], str]] = {
    "integer": _integer,
    "thousands": _thousands,
    "decimal": _decimal,
    "float": _float,
    "fraction": _fraction,
    "spaced fraction": _spaced_fraction,
    "mixed number": _mixed,
    "radical": _radical,
    "pi": _pi,
    "power": _power,
    "polynomial": _polynomial,
    "formula": _formula,
    "function": _function,
    "equation": _equation,
    "value of a name": _value_of_name,
    "values of names": _values_of_names,
    "inequality": _inequality,
    "interval": _interval,
    "tuple": _tuple,
    "list": _list,
    "set": _set,
    "signs": _signs,
    "complex": _complex,
    "matrix": _matrix,
    "unit": _unit,
    "money": _money,
    "percent": _percent,
    "degrees": _degrees,
    "base": _base,
    "ratio": _ratio,
    "time": _time,
    "words": _words,
    "letter": _letter,
    "letters": _letters,
    "family": _family,
    "piecewise": _piecewise,
    "counting": _counting,
    "vector": _vector,
    "repeating decimal": _repeating,
}
