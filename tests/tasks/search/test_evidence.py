"""What documents say of a claim: a table worked by hand, and functions of one's own."""

from collections.abc import Sequence

import pytest

from forage.core.errors import ForageError
from forage.tasks.search import Document
from forage.tasks.search.evidence import Claim, Judgment, WordJudge, judged, parse_judge

COLOR = Document("", "balan color red")
OTHER = Document("", "lomir color blue")


def claim(answered: str, asked: str = "color of balan ?", before: tuple[tuple[str, str], ...] = ()) -> Claim:
    return Claim(question="color of balan ?", asked=asked, answered=answered, before=before)


@pytest.mark.parametrize(
    ("answered", "passages", "wanted"),
    [
        ("red", [COLOR], Judgment(True, "supported")),
        ("The red.", [OTHER, COLOR], Judgment(True, "supported")),
        ("blue", [COLOR], Judgment(True, "conflict", "red")),
        ("blue", [COLOR, OTHER], Judgment(True, "conflict", "red")),  # a passage about another name supports nothing
        ("red blue", [COLOR], Judgment(True, "conflict", "red")),
        ("blue", [OTHER], Judgment(True, "silent")),  # one of three words of the question
        ("blue", [], Judgment(True, "silent")),
        ("color", [COLOR], Judgment(True, "silent")),  # says nothing beyond the question
        ("", [COLOR], Judgment(False, "silent")),
    ],
)
def test_words_against_a_table(answered: str, passages: Sequence[Document], wanted: Judgment) -> None:
    assert WordJudge()(claim(answered), passages) == wanted


def test_the_share_of_words_decides_what_a_passage_is_about() -> None:
    assert WordJudge(about=2 / 3)(claim("red"), [COLOR]).evidence == "supported"
    assert WordJudge(about=0.7)(claim("red"), [COLOR]).evidence == "silent"
    for wrong in (0.0, 1.1):
        with pytest.raises(ForageError, match="share of its words"):
            WordJudge(about=wrong)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ("friend of balan", True),
        ("balan friend of", False),  # asked before, in other order
        ("color of balan", True),  # the problem's own question comes again at the end
        ("pet of sonok", True),  # of an earlier answer
        ("weather tomorrow", False),
        ("", False),
    ],
)
def test_what_fits_is_new_and_hangs_together(asked: str, fits: bool) -> None:
    before = (("color of balan ?", "red"),) if asked == "friend of balan" else (("friend of balan", "sonok"),)
    assert WordJudge()(claim("x", asked, before), [COLOR]).consistent is fits


def says_nothing(claim: Claim, passages: Sequence[Document]) -> tuple[bool, str]:
    return (True, "silent")


def says_much(claim: Claim, passages: Sequence[Document]) -> object:
    return {"1": (True, "certainly"), "2": True, "3": (True, "conflict", 7), "4": (True,)}[claim.answered]


def test_functions_of_ones_own() -> None:
    assert parse_judge("words") == WordJudge()
    own = parse_judge(f"{__name__}:says_nothing")
    assert judged(own, claim("red"), [COLOR]) == Judgment(True, "silent")
    for number in "1234":
        with pytest.raises(ForageError, match="A judge of claims returns"):
            judged(parse_judge(f"{__name__}:says_much"), claim(number), [])
    with pytest.raises(ForageError, match="module:function"):
        parse_judge("wordz")
