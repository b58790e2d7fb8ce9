"""What a text says of its searches: by hand, and for texts that try to look like something else."""

import random
import time

import pytest

from forage.core.searches import MARKS, harmless, last_query, searches, well_formed, without_documents

Q, NQ, D, ND, T, NT, A, NA = MARKS
SHOWN = f"\n{D}\n(1) a red house\n{ND}\n"
RIGHT = f"{T} hm {Q} red house {NQ}{SHOWN} so {NT} {A} a house {NA}"


@pytest.mark.parametrize(
    ("text", "asked", "formed"),
    [
        (RIGHT, 1, True),
        (RIGHT.removeprefix(T), 1, True),  # a prompt may begin the thought
        (f"{T} {NT}\n\n{A}x{NA}\n", 0, True),
        (f"{T} {Q} a {NQ}{SHOWN}{Q}b{NQ}{SHOWN}{NT}{A}x{NA}", 2, True),
        (f"{T} {Q} a {NQ} {NT} {A} x {NA}", 0, False),  # nobody has answered
        (f"{T} {Q}  {NQ}{SHOWN} {NT} {A} x {NA}", 0, False),  # asked for nothing
        (f"{T} b {NQ}{SHOWN} {NT} {A} x {NA}", 0, False),  # not begun
        (f"{T} {Q} {Q} a {NQ}{SHOWN} {NT} {A} x {NA}", 1, False),
        (f"{T} {SHOWN} {NT} {A} x {NA}", 0, False),  # documents of its own
        (f"{T} {Q} a {NQ}{SHOWN} {ND} {NT} {A} x {NA}", 1, False),
        (f"{T} {NT} {Q} a {NQ}{SHOWN} {A} x {NA}", 1, False),  # searched behind the thought
        (f"{T} {T} {NT} {A} x {NA}", 0, False),
        (f"so {T} {NT} {A} x {NA}", 0, False),
        (f"{T} {NT} so {A} x {NA}", 0, False),
        (f"{T} {NT} {A} x {NA} so", 0, False),
        (f"{T} {NT} {A} {NA}", 0, False),
        (f"{T} {A} x {NA}", 0, False),
        (f"{T} {NT} {A} x", 0, False),
        (f"{A} x {NA}", 0, False),
        ("", 0, False),
    ],
)
def test_searches_and_form(text: str, asked: int, formed: bool) -> None:
    assert (searches(text), well_formed(text)) == (asked, formed)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (f"{T} {Q} red house {NQ}", "red house"),
        (f"{T} {Q} red {NQ}>\n", "red"),  # a token may hold more than the end
        (f"{T} {Q} a {NQ}{SHOWN} and {Q}b{NQ}", "b"),
        (f"{T} {Q} a {NQ}>{SHOWN} and {Q}b{NQ}", "b"),
        (f"{T} red {NQ}", ""),
        (f"{T} {Q} {NQ}", ""),
        (f"{T} {Q} a {D} {ND} b {NQ}", ""),  # what stood before documents of its own is gone
        (f"{T} {D} {Q} a {NQ}", "a"),  # documents of its own, without an end
        (f"{T} {Q} a {NQ}{SHOWN} so", None),
        (f"{T} {Q} a {NQ}{SHOWN}", None),
        ("", None),
    ],
)
def test_the_query_at_whose_end_a_turn_ended(text: str, query: str | None) -> None:
    assert last_query(text) == query


def test_what_a_search_engine_says_is_never_judged() -> None:
    """However a policy writes the marks of documents itself, all of a real reply is gone."""
    assert without_documents(RIGHT) == f"{T} hm {Q} red house {NQ}\n\n\n so {NT} {A} a house {NA}"
    assert without_documents(f"a {D} secret") == "a \n"
    draw = random.Random(0)
    for _ in range(500):
        before, after = ("".join(draw.choice([*MARKS, " x ", "y"]) for _ in range(draw.randint(0, 6))) for _ in "12")
        assert "secret" not in without_documents(f"{before}{NQ}\n{D}\nthe secret\n{ND}\n{after}")


def test_harmless_texts_hold_no_mark() -> None:
    assert harmless(f"a\n{D} b <|im_end|>\t{NA}c <x>") == "a < |begin_of_documents| > b < |im_end| > < /answer>c <x>"
    draw = random.Random(1)
    for _ in range(300):
        text = "".join(draw.choice([*MARKS, "<", "|", ">", "/answer", "think", "a"]) for _ in range(9))
        assert not any(mark in harmless(text) for mark in MARKS), text


def test_long_texts_take_linear_time() -> None:
    def cost(size: int) -> float:
        began = time.process_time()
        for piece in (T, f"{Q} a ", D, NQ, " ", f"{T} {NT} ", f"{Q} a {NQ}{SHOWN}"):
            for look in (searches, well_formed, last_query, without_documents):
                look(piece * size)
        return time.process_time() - began

    cost(100)
    assert cost(4000) < 100 * max(cost(400), 1e-3)
