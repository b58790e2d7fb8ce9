import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.grams.words import SCANNER, fold, is_formula, normal_gram, runs


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Let's try it. But how?", [["let's", "try", "it"], ["but", "how"]]),
        ("LET\u2019S go", [["let's", "go"]]),
        ("wait, that\u2019s \u201cwrong\u201d", [["wait", "that's", "wrong"]]),
        ("double-check **this** now", [["double", "check", "this", "now"]]),
        ("so\nwe", [["so"], ["we"]]),
        ("so - we", [["so"], ["we"]]),
        ("x = \\frac{1}{2}", [["x"], ["\\frac"], ["1"], ["2"]]),
        ("try 8 * 6 = 48", [["try", "8"], ["6"], ["48"]]),
        ("'quoted'", [["quoted"]]),
        ("", []),
        (" ... ", []),
    ],
)
def test_runs_by_hand(text: str, wanted: list[list[str]]) -> None:
    assert runs(text) == wanted


@given(st.text())
def test_folding_moves_no_character(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_letters_whose_lower_case_is_longer_stay() -> None:
    assert fold("\u0130stanbul X") == "\u0130stanbul x"


@given(st.text())
def test_words_are_found_where_they_stand(text: str) -> None:
    folded = fold(text)
    found = [token for token in SCANNER.finditer(folded) if token[1]]
    assert [token[1] for token in found] == [word for run in runs(text) for word in run]
    assert all(folded[token.start() : token.end()] == token[1] for token in found)


def test_a_gram_is_the_words_of_one_run() -> None:
    assert normal_gram(" Let\u2019s  try, again ") == "let's try again"
    assert normal_gram("one. two") == ""
    assert normal_gram("...") == ""


@pytest.mark.parametrize(
    ("word", "formula"),
    [("x", True), ("a", False), ("i", False), ("x1", True), ("7", True), ("\\frac", True), ("so", False)],
)
def test_formulae(word: str, formula: bool) -> None:
    assert is_formula(word) == formula
