"""What the base model of lookup learns from: turns as the environment meets them, and no fact of the world."""

from collections import Counter
from dataclasses import replace

import pytest

from forage.base_models.lookup import AGAIN, FORMED, NAMED, READ, SEARCHES, LookupBase, WrittenLookups, response_tokens
from forage.core.searches import BEGIN_QUERY, END_DOCUMENTS, END_QUERY, well_formed
from forage.core.turns import environment_of
from forage.engines.local.codec import LocalCodec
from forage.tasks.lookup import VALUES, Lookup, facts

LANGUAGE = WrittenLookups(0, 1)
AMOUNT = 6000


def test_turns_by_counting() -> None:
    turns = [*LANGUAGE.turns(AMOUNT)]
    first, queries, later = turns[::3], turns[1::3], turns[2::3]
    asks = sum(END_QUERY in turn for _, turn in first)
    assert asks / len(first) == pytest.approx(SEARCHES, abs=0.03)
    assert sum(END_QUERY in turn for _, turn in later) / len(later) == pytest.approx(AGAIN, abs=0.03)
    named = sum(before[0] in turn for before, turn in queries)
    assert named / len(queries) == pytest.approx(NAMED, abs=0.04)
    ends = [(before, turn) for before, turn in later if END_QUERY not in turn]
    whole = [well_formed(" ".join([*before[4:], *turn[:-1]])) for before, turn in ends]
    assert sum(whole) / len(whole) == pytest.approx(FORMED, abs=0.04)
    said = [turn for _, turn in ends]
    shown = [before[before.index(END_DOCUMENTS) - 1] for before, _ in ends]
    told = sum(value in turn for value, turn in zip(shown, said, strict=True)) / len(said)
    assert told == pytest.approx(READ, abs=0.04), "mostly what was found"


def test_nobody_learns_a_fact() -> None:
    known = {fact.question: fact.value for fact in facts()}
    guesses = [(" ".join(before), turn) for before, turn in list(LANGUAGE.turns(AMOUNT))[::3] if END_QUERY not in turn]
    right = sum(known[question] in turn for question, turn in guesses)
    assert right / len(guesses) == pytest.approx(1 / 8, abs=0.03)
    assert set(Counter(question for question, _ in guesses)) == set(known), "words of every question are known"


@pytest.mark.parametrize("results", [1, 2])
def test_its_words_are_all_that_can_be_said(results: int) -> None:
    language = WrittenLookups(0, results)
    codec = LocalCodec(language.tokenizer())
    task = Lookup(results=results)
    environment = environment_of(task)
    assert environment is not None
    for problem in (*task.problems("train"), *task.problems("test")):
        assert len(codec.prompt(problem)) == 4
        for query in (problem.prompt, "of"):
            text = f"<think> {BEGIN_QUERY} {query} {END_QUERY}"
            reply = environment.reply(problem, text) or ""
            assert codec.decode(codec.encode(reply)).split() == reply.split()
    whole = f"{facts()[0].question} {BEGIN_QUERY} {END_QUERY} {END_DOCUMENTS}"
    assert len(codec.encode(whole)) == len(whole.split())
    for (before, turn), (read, written) in zip(language.turns(60), language.written(60), strict=True):
        assert codec.encode(" ".join(before)) == tuple(read)
        assert codec.encode(" ".join(turn)) == tuple(written)


def test_there_is_room_for_all_searches() -> None:
    environment = environment_of(Lookup(results=2, searches=3))
    assert environment is not None
    fact = facts()[0]
    asked = f"{BEGIN_QUERY} {fact.name} {fact.relation} {END_QUERY}"
    reply = environment.reply(Lookup().problems("test")[0], asked) or ""
    whole = f"<think> {3 * f'{asked} {reply} '} </think> <answer> {fact.value} </answer> <eos>"
    assert len(whole.split()) <= response_tokens(results=2, searches=3) <= len(whole.split()) + 6


def test_settings_name_their_model() -> None:
    base = LookupBase()
    assert base.digest() != replace(base, seed=1).digest() != replace(base, results=2).digest()
    assert base.world == "lookup:results=1"
    assert base.max_tokens == Lookup().searches * 10 + 8
    assert set(VALUES) <= set(base.language.words)
