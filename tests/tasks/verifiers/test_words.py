"""The F1 verifier: SQuAD's normalization by hand, forms of an answer, and where the answer is taken from."""

import pytest

from forage.tasks.verifiers import chosen_verifier
from forage.tasks.verifiers.words import WordF1, normalized_words, right_forms
from support.builders import problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("an apple, a pear and the plum", "apple pear and plum"),
        ("U.S.A.", "usa"),  # punctuation goes before words are told apart
        ("Theodore an-other", "theodore another"),
        ("The", ""),
        ("São Paulo", "são paulo"),
    ],
)
def test_normalization_by_hand(text: str, words: str) -> None:
    assert " ".join(normalized_words(text)) == words


@pytest.mark.parametrize(
    ("text", "wanted", "value", "correct"),
    [
        ("<answer> The Red House </answer>", "red house", 1.0, 1),
        ("<answer>house red</answer>", "red house", 1.0, 0),  # the same words, and not the same answer
        ("<answer>the red barn</answer>", "red house", 0.5, 0),
        ("I read of a house. <answer>barn</answer>", "house", 0.0, 0),
        ("house", "house", 1.0, 1),
        ("<answer>NYC</answer>", '["New York City", "NYC"]', 1.0, 1),
        ("<answer>New York</answer>", '["New York City", "NYC"]', 0.8, 0),
        ("<answer>42</answer>", "6 * 7 = 42\n#### 42", 1.0, 1),
        ("", "house", 0.0, 0),
    ],
)
def test_verdicts_by_hand(text: str, wanted: str, value: float, correct: int) -> None:
    score = WordF1()(problem(answer=wanted), text)
    assert (score.value, score.parts["correct"]) == (pytest.approx(value), correct)
    assert score.parts["answered"] == bool(text)


def test_its_name_its_answers_and_what_it_states() -> None:
    assert chosen_verifier("f1") == WordF1()
    assert WordF1().answer(problem(), "<answer>The Sea, a lake</answer>") == "sea lake"
    assert WordF1().answer(problem(), "") is None
    assert right_forms("[not JSON") == ("[not JSON",)
    assert right_forms("[1, 2]") == ("[1, 2]",)
    assert WordF1().stated_answer(problem(answer='["a", "b"]')) == ("\nThe answer is", " a")
