import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.grams.matching import Matcher, tokens_in_spans
from forage.grams.words import SCANNER, fold


def matched(text: str, *grams: str) -> list[str]:
    return [text[start:end] for start, end, _ in Matcher(grams).find(text)]


@pytest.mark.parametrize(
    ("text", "grams", "wanted"),
    [
        ("Let's try. let\u2019s try! Now LET'S TRY", ["let's try"], ["Let's try", "let\u2019s try", "LET'S TRY"]),
        ("butter, but", ["but"], ["but"]),  # whole words
        ("wait, that is wrong", ["wait that"], ["wait, that"]),  # punctuation inside a sentence
        ("wait. that is wrong", ["wait that"], []),  # but not across sentences
        ("on the other hand", ["on the", "on the other hand"], ["on the other hand"]),  # longest
        ("on the other side", ["on the", "on the other hand"], ["on the"]),
        ("a b c d", ["a b c", "b c"], ["a b c"]),  # not inside another
        ("a b c d", ["a b c", "c d"], ["a b c", "c d"]),  # but overlapping
        ("so so so", ["so so"], ["so so", "so so"]),
        ("nothing here", [], []),
        ("", ["so"], []),
    ],
)
def test_matches_by_hand(text: str, grams: list[str], wanted: list[str]) -> None:
    assert matched(text, *grams) == wanted


def test_matches_name_their_gram_and_spans_are_merged() -> None:
    matcher = Matcher(["c d", "a b c", "A  B C"])
    assert [match.gram for match in matcher.find("a b c d")] == [1, 0]
    assert matcher.spans("a b c d. a b c") == [(0, 7), (9, 14)]


@pytest.mark.parametrize("gram", ["", "...", "one. two"])
def test_what_is_no_phrase_is_refused(gram: str) -> None:
    with pytest.raises(ForageError, match="is not a phrase"):
        Matcher(["so", gram])


WORDS = st.sampled_from(["a", "b", "c", "."])


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=6), st.lists(WORDS, max_size=25))
def test_against_a_search_for_every_gram_everywhere(grams: list[list[str]], words: list[str]) -> None:
    # The characters that any occurrence covers, and the occurrences that lie in no other: by brute force.
    text = " ".join(words)
    occurrences = set()
    for gram in grams:
        for start in range(len(words) - len(gram) + 1):
            if words[start : start + len(gram)] == gram:
                occurrences.add((2 * start, 2 * (start + len(gram)) - 1))  # one letter and one space each
    maximal = {
        one for one in occurrences if not any(o != one and o[0] <= one[0] and one[1] <= o[1] for o in occurrences)
    }
    matcher = Matcher([" ".join(gram) for gram in grams])
    found = matcher.find(text)
    assert {(start, end) for start, end, _ in found} == maximal
    assert len(found) == len(maximal)
    assert all(text[start:end] == matcher.grams[gram] for start, end, gram in found)
    covered = {place for start, end in occurrences for place in range(start, end)}
    spans = matcher.spans(text)
    assert {place for start, end in spans for place in range(start, end)} == covered
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


# ------------------------------------------------------------------------------------------------------------ tokens


def test_tokens_by_hand() -> None:
    text, pieces = "so we wait now", ["so", " we", " wa", "it", " ", "now"]
    assert tokens_in_spans(text, pieces, [(3, 10)]).tolist() == [False, True, True, True, False, False]
    assert tokens_in_spans(text, pieces, []).tolist() == [False] * 6
    # A prefix is context: only the last tokens are asked about.
    assert tokens_in_spans(text, pieces[2:], [(3, 10)]).tolist() == [True, True, False, False]


def test_a_piece_without_characters_is_outside() -> None:
    assert tokens_in_spans("ab", ["a", "", "b", ""], [(0, 2)]).tolist() == [True, False, True, False]


def test_pieces_of_another_text_are_refused() -> None:
    with pytest.raises(ValueError, match="not the end of the text"):
        tokens_in_spans("abc", ["a", "b"], [])


@given(st.lists(st.text("ab c", max_size=3), max_size=12), st.data())
def test_a_token_counts_iff_it_shares_a_character_with_a_span(pieces: list[str], data: st.DataObject) -> None:
    prefix = data.draw(st.text("xy", max_size=4))
    text = prefix + "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [(start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    inside = {place for start, end in spans for place in range(start, end)}
    place, wanted = len(prefix), []
    for piece in pieces:
        wanted.append(any(p in inside for p in range(place, place + len(piece))))
        place += len(piece)
    assert tokens_in_spans(text, pieces, spans).tolist() == wanted


TEXT = "But let\u2019s try a different way. Butter, then LET'S TRY again."


@given(st.sets(st.integers(1, len(TEXT) - 1)), st.sets(st.integers(1, len(TEXT) - 1)))
def test_two_tokenisers_mark_the_same_characters_up_to_token_borders(one: set[int], other: set[int]) -> None:
    spans = Matcher(["let's try", "but"]).spans(TEXT)
    exact = {place for start, end in spans for place in range(start, end)}
    assert len(spans) == 3
    for cuts in (one, other):
        borders = [0, *sorted(cuts), len(TEXT)]
        pieces = [TEXT[a:b] for a, b in itertools.pairwise(borders)]
        marks = np.repeat(tokens_in_spans(TEXT, pieces, spans), [len(piece) for piece in pieces])
        assert exact <= set(np.flatnonzero(marks))  # nothing is missed
        extra = set(np.flatnonzero(marks)) - exact
        for a, b in itertools.pairwise(borders):  # and what is too much shares a token with a match
            assert not extra & set(range(a, b)) or exact & set(range(a, b))
    assert fold(TEXT)[4:13] == "let's try"
    assert SCANNER.findall("butter")[0][0] == "butter"
