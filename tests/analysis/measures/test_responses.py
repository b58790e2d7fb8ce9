"""Places of tokens in texts, and the classes of words found there."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.analysis.measures.responses import flatten, read_responses, token_mask
from forage.analysis.measures.token_classes import WordList, word_list
from forage.core.errors import ForageError
from support.made_responses import response, words

LIST = WordList(name="test", version=1, classes={"causal": ("because", "as a result"), "contrast": ("but", "let's")})


def test_tokens_that_overlap_a_span() -> None:
    # Characters:  0123 4567 89..11: "abcd" "efgh" "" "ijkl"
    found = response(["abcd", "efgh", "", "ijkl"])
    assert found.mark([(3, 5)]).tolist() == [True, True, False, False]
    assert found.mark([(4, 8)]).tolist() == [False, True, False, False]
    assert found.mark([(7, 9)]).tolist() == [False, True, True, True]  # the empty token lies strictly inside
    assert found.mark([(3, 9)], first_only=True).tolist() == [True, False, False, False]
    assert found.mark([(12, 12)]).tolist() == [False] * 4


@given(st.lists(st.text(alphabet="ab ", max_size=4), min_size=1, max_size=12), st.integers(0, 20), st.integers(1, 9))
def test_marks_agree_with_a_slow_count(pieces: list[str], start: int, length: int) -> None:
    found = response(pieces)
    span = (start, min(start + length, len(found.text)))
    expected, position = [], 0
    for piece in pieces:
        expected.append(any(span[0] <= place < span[1] for place in range(position, position + len(piece))))
        position += len(piece)
    marked = found.mark([span] if span[0] < span[1] else [])
    for piece, mark, wanted in zip(pieces, marked.tolist(), expected, strict=True):
        assert not piece or mark is wanted


def test_rows_with_gaps_become_nan_and_are_not_counted() -> None:
    row = {
        "problem": "a", "pieces": ["x", "y"], "entropies": [0.5, float("nan")], "logprobs": [float("-inf"), -1.0],
        "advantages": [None, 1.0], "correct": None, "stop": "length",
    }  # fmt: skip
    empty = {**row, "pieces": [], "entropies": [], "logprobs": [], "advantages": []}
    (found,) = read_responses([row, empty])
    assert found.truncated
    assert math.isnan(found.correct)
    tokens = flatten([found])
    assert np.isnan(tokens.entropy).tolist() == [False, True]
    assert np.isnan(tokens.logprob).tolist() == [True, False]
    assert np.isnan(tokens.advantage).tolist() == [True, False]


def test_columns_must_agree() -> None:
    with pytest.raises(ValueError, match="lengths"):
        response(["a", "b"], [0.1])


def test_whole_words_in_any_case_the_longest_first() -> None:
    text = "Because butter, BUT as  a\nresult Let\u2019s rest; because-of"
    assert [text[start:end] for start, end in LIST.find(text)] == [
        "Because", "BUT", "as  a\nresult", "Let\u2019s", "because",
    ]  # fmt: skip
    assert [text[start:end] for start, end in LIST.find(text, "contrast")] == ["BUT", "Let\u2019s"]
    assert WordList(name="x", version=1, classes={"none": ()}).find(text, "none") == []


def test_the_same_characters_through_two_tokenisers() -> None:
    text = "we stop because it ends"
    by_word = words(text)
    by_letter = response(list(text))
    assert token_mask([by_word], LIST.find).tolist() == [False, False, True, False, False]
    marked = "".join(c for c, m in zip(text, token_mask([by_letter], LIST.find).tolist(), strict=True) if m)
    assert marked == "because"


def test_shipped_lists() -> None:
    english = word_list("english")
    everything = {word for words_ in english.classes.values() for word in words_}
    assert english.published == {
        "because", "therefore", "however", "although", "first", "then", "suggest", "demonstrate", "recall", "thus",
    }  # fmt: skip
    assert english.published < everything
    assert sum(len(words_) for words_ in english.classes.values()) == len(everything)  # the classes are disjoint
    assert english.id.startswith("english-1-")
    changed = WordList(name="english", version=1, classes={**english.classes, "more": ("indeed",)})
    assert changed.id != english.id
    lab = word_list("countdown")
    text = "try 8 - 6 = 2 4 check 24 26 no wait"
    assert [text[slice(*span)] for span in lab.find(text, "strategy")] == ["try", "check", "wait"]
    assert [text[slice(*span)] for span in lab.find(text, "operators")] == ["-"]


def test_own_list(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"format": "forage token classes 1", "classes": {"doubt": ["Hmm"]}}))
    assert word_list(str(path)).find("hmm?") == [(0, 3)]
    for content in ("{", '{"format": "x"}', '{"format": "forage token classes 1", "classes": {"a": "because"}}',
                    '{"format": "forage token classes 1", "classes": {}}'):  # fmt: skip
        path.write_text(content)
        with pytest.raises(ForageError, match="cannot be read"):
            word_list(str(path))
    with pytest.raises(ForageError, match="no word list"):
        word_list("klingon")
