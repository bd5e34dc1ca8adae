# ruff: noqa: E501  (tables)
"""Sentences in other languages around an answer: they count only where every word is known to state it.

The words that deny, doubt or bound an answer are known for English only. So in another language a sentence beside an
answer is read by a list of what may stand in it: words that conclude (`por lo tanto`, `因此`), subjects (`la respuesta`,
`答案`), verbs that equate (`es`, `是`) and quantities. With any other word it may say something else than the answer.

Promises: bounded stretches of text beside an answer are read, word by word.
"""

from __future__ import annotations

import re

from verifiers.math.reading.vocabulary import words_of

MAX_BEHIND = 400
"""Characters behind an answer that are read."""

_STATING = tuple(
    frozenset(words_of(words))
    for words in (
        "por lo tanto consiguiente así asi entonces luego pues finalmente ahora la las el los una un de del respuesta respuestas solución solucion resultado resultados final correcta correcto es son igual valor valores número numero área area perímetro perimetro volumen longitud distancia probabilidad suma total producto tenemos obtenemos obtiene da",
        "donc ainsi alors finalement par conséquent le la les l des du de d une un réponse reponse solution résultat resultat finale exacte correcte est sont vaut égale égal à valeur nombre aire périmètre longueur probabilité somme obtient obtenons on nous avons il l'aire",
        "also daher somit folglich deshalb schließlich damit die der das den dem ein eine endgültige richtige antwort lösung ergebnis ist sind lautet beträgt gleich wert zahl anzahl fläche umfang länge abstand wahrscheinlichkeit summe wir erhalten bekommen ergibt sich es",
        "quindi dunque perciò pertanto infine il la le lo gli un una di del della risposta soluzione risultato finale corretta è sono uguale valore numero area perimetro volume lunghezza probabilità somma otteniamo abbiamo si ottiene",
        "portanto logo assim então finalmente os as um uma do da de resposta solução resultado final correta é são igual valor número área perímetro volume comprimento probabilidade soma temos obtemos",
        "dus daarom tenslotte het de een antwoord oplossing resultaat uiteindelijke is zijn gelijk aan waarde getal",
        "итак значит следовательно таким образом поэтому ответ окончательный правильный это равен равна равно составляет значение число площадь сумма получаем получим имеем",
        "отже відповідь дорівнює",
        "odpowiedź to jest wynosi więc zatem wynik",
        "alltså svaret svar är blir er",
        "cevap sonuç jadi maka jawaban jawabannya adalah",
    )
)
"""Words of Latin and Cyrillic scripts with which a sentence states an answer, one set per language (the last ones for
several): `par` concludes in French and says `even` in Spanish."""
_TELLING = frozenset(
    words_of("""
    es está esta este esto esa eso pero porque según quizás quizá tal vez talvez sino sin si nunca jamás ni sea sería debe puede respuesta solución resultado también más menos
    est c'est n'est ce cette qui que pas mais peut-être sont serait doit ne ni selon réponse résultat ou soit faux
    ist sind nicht kein keine aber vielleicht wäre das dies war oder laut falls wenn falsch richtig antwort lösung ergebnis lautet beträgt nein jedoch sondern was
    è non ma forse sono sarebbe risposta soluzione risultato oppure sbagliato sbagliata
    é não mas talvez são seria resposta solução resultado ou errado errada isso isto
    het niet maar misschien antwoord onjuist dit geen
    odpowiedź jest nie wynosi svaret är inte cevap değil jawaban jawabannya bukan vastaus ei svar ikke odpověď není válasz nem răspunsul nu resposta responsum
    """)
) - frozenset(words_of("non was die sin sea mas mal ni nu ei que fel dies falls son sera sans no so a o or"))
"""Words that tell that a sentence is in another language: of its grammar, or of what it says about answers."""
_DENYING = frozenset(
    words_of("""
    incorrecto incorrecta falso falsa errado errada erróneo errónea sbagliato sbagliata verkeerd onjuist falsch falsche falscher falsches fausse faux yanlış salah forkert błędna błędne неверно неправильно не
    respuesta réponse antwort risposta resposta antwoord odpowiedź svaret cevap ответ
    quizás quizá vielleicht forse talvez peut-être misschien возможно supongamos suponiendo suponga angenommen supposons supponiamo suponhamos предположим según laut selon secondo
    nicht kein keine nein não niet nie nunca jamás jamais niemals mindestens höchstens ungefähr etwa environ aproximadamente menos weniger
    """)
)
"""Words of other languages that also tell so in capitals: what denies, doubts or supposes, and the word for an answer."""
_FOREIGN_WORDS = _TELLING | _DENYING
_ASCII_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_STATING_CHINESE = sorted(
    words_of("""
    因此 所以 因而 于是 故此 故 则 即 综上所述 综上 最后 最终 由此 可得 可知 得到 得出 解得 求得 算得 计算得 得 我们 有 共有 一共有 总共有 一共 总共 共 答案 答 结果 最终答案 正确答案 的 值 是 为 等于 就是 应为
    面积 体积 周长 长度 概率 个数 总数 和 积 差 商 最大值 最小值 函数 方程 解 所求 数 整数 角 角度 度 半径 直径 距离 总和 这个 该 它 他 她 我 和为 积为 可以 原式 代入 化简 表达式 边长 人数 数量 三角形 圆 正方形 长方形 时间 速度 价格
    個數 答 為 結果 總共 總和 值為 與 與其
    したがって よって ゆえに 答え は です である 求める 値 答えは となる 結果は だから
    따라서 그러므로 답은 정답은 답 은 는 이다 입니다 값은 결과는 최종 값
    """),
    key=len,
    reverse=True,
)
"""Words of scripts without spaces with which a sentence states an answer, the longest first."""
_MEASURE_WORDS = frozenset(
    "个種种次人元米天年岁本只条枚张组对名位分秒度克吨升页题块件棵株辆頁個円개명원です입니다이다である。"
)
"""What may follow a number in such a script: a counter, or the verb that ends the sentence."""
_HAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_STATES = re.compile("(?:" + "|".join(_STATING_CHINESE) + ")+")
_OTHER_SCRIPT = re.compile("[\u0400-\u052f\u0590-\u08ff\u0900-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ENGLISH = frozenset(words_of("the of is are and to in for we it at per with so has have an from"))
_WORD = re.compile(r"(?<![\\\w])[^\W\d_]+(?:['’-][^\W\d_]+)*")
_FORMULA = re.compile(r"\$[^$\n]{0,200}\$|\\\([^\n]{0,200}?\\\)|\\[A-Za-z]+(?:\{[^{}\n]{0,60}\})?")
_SENTENCES = re.compile(r"(?<=[.!?。！？])\s*|\n+")
_FOREIGN_LETTERS = re.compile("[áàâãäåéèêëíìîïóòôõöúùûüñçßœæøğşłńśźżąęčřšžůě]")


def is_foreign(sentence: str) -> bool:
    """Whether a sentence is in another language than English: by its script, or by words of its grammar."""
    if _has_no_foreign_word(sentence):
        return False
    if _OTHER_SCRIPT.search(sentence):
        return True
    words = _words(sentence)
    small = [word for word in words if word.islower()]
    if any(word in _TELLING for word in small) or any(word.lower() in _DENYING for word in words):
        return True
    return any(map(_FOREIGN_LETTERS.search, small)) and _ENGLISH.isdisjoint(small)


def states_answer(sentence: str) -> bool:
    """Whether every word of a sentence in another language belongs to stating an answer."""
    plain = _FORMULA.sub(" ", sentence)
    han = "".join(_HAN.findall(plain))
    if han and _STATES.fullmatch(han) is None:
        return False
    words = [word.lower() for word in _words(_HAN.sub(" ", plain)) if len(word) > 1 and not word.isupper()]
    return any(stating.issuperset(words) for stating in _STATING)


def says_something_else(sentence: str) -> bool:
    """Whether a sentence is in another language and holds a word that may not belong to stating an answer."""
    return is_foreign(sentence) and not states_answer(sentence)


def undoes(behind: str) -> bool:
    """Whether words in another language stand behind an answer. Only a counter or a closing verb may."""
    near = behind[:MAX_BEHIND]
    if _has_no_foreign_word(near):
        return False
    near = _FORMULA.sub(" ", near)
    return any(says_something_else(sentence) and not _only_counts(sentence) for sentence in _SENTENCES.split(near))


def _has_no_foreign_word(text: str) -> bool:
    """Whether a quick look tells that all of the text is English or mathematics."""
    return text.isascii() and _FOREIGN_WORDS.isdisjoint(_ASCII_WORD.findall(text.lower()))


def _only_counts(sentence: str) -> bool:
    letters = [char for char in sentence if char.isalpha()]
    return len(letters) <= 4 and all(char in _MEASURE_WORDS for char in letters)


def _words(text: str) -> list[str]:
    return _WORD.findall(_FORMULA.sub(" ", text))
