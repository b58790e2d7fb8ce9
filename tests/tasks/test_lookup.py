"""Lookup: the facts, what finds them, and that nothing but a document tells an answer."""

from collections import Counter
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.serialize import decode_part, encode_part
from forage.core.turns import environment_of
from forage.tasks.lookup import HELD_OUT, NAMES, VALUES, Lookup, facts, held_out
from forage.tasks.names import parse_task

TASK = Lookup()


def test_questions_are_of_all_facts_and_tests_of_names_that_nobody_trains_on() -> None:
    train, test = TASK.problems("train"), TASK.problems("test")
    assert (len(train), len(test)) == (64, 32)
    names = [{problem.prompt.split()[2] for problem in split} for split in (train, test)]  # pyright: ignore[reportAttributeAccessIssue]
    assert not names[0] & names[1]
    assert names[1] == set(held_out())
    assert len(held_out()) == HELD_OUT
    assert len({fact.question for fact in facts()}) == len(facts()) == len(NAMES) * len(VALUES)
    assert all(fact.value in VALUES[fact.relation] for fact in facts())
    assert Lookup(seed=1).problems("test") == test
    assert Lookup(seed=1, train_problems=9).problems("train") != train[:9]
    guess = sum(max(Counter(f.value for f in facts() if f.relation == kind).values()) for kind in VALUES)
    assert guess / len(facts()) < 0.3, "and the most frequent value is no answer"


def test_a_query_of_both_words_finds_the_fact_and_one_word_seldom() -> None:
    environment: Any = environment_of(TASK)
    alone = 0
    for fact in facts():
        for query in (f"{fact.name} {fact.relation}", f"{fact.relation} of {fact.name} ?"):
            assert [each.text for each in environment.find(query)] == [fact.document]
        alone += environment.find(fact.name)[0].text == fact.document
        alone += environment.find(fact.relation)[0].text == fact.document
    assert alone == len(NAMES) + len(VALUES), "the first of equals: one fact of each name, and one of each relation"
    assert environment.max_turns == 4


def test_what_was_found_is_no_answer() -> None:
    problem, *_ = TASK.problems("test")
    found = f"<|begin_of_documents|>\n(1) <answer> {problem.answer} </answer>\n<|end_of_documents|>"
    right = f"<think>{found}</think> <answer> {problem.answer} </answer>"
    assert TASK.verify(problem, right).correct
    assert TASK.quick(problem, right) == TASK.verify(problem, right)
    assert TASK.answer(problem, right) == problem.answer
    assert TASK.marks_answer(problem, right)
    assert not TASK.verify(problem, f"<think>{found}").correct
    assert not TASK.marks_answer(problem, f"<think>{found}")
    assert not TASK.verify(
        problem, right.replace(f"<answer> {problem.answer} </answer>", "<answer> no </answer>")
    ).correct


def test_a_stated_answer_is_right_behind_any_thought() -> None:
    task = Lookup()
    first, second = task.problems("test")[:2]
    for text in ("<think>", "<think> <|begin_of_query|> pet <|end_of_query|>"):
        mark, answer = task.stated_answer(first)
        assert not task.marks_answer(first, text)
        assert task.verify(first, f"{text}{mark}{answer} </answer>").correct
        other = next(value for value in VALUES["pet"] if value != first.answer)
        assert not task.verify(first, f"{text}{''.join(task.stated_answer(first, other))} </answer>").correct
    assert task.stated_answer(second)[1].strip() == second.answer


def test_names_and_settings() -> None:
    assert parse_task("lookup:results=2,searches=1") == Lookup(results=2, searches=1)
    assert decode_part(encode_part(TASK), Lookup) == TASK
    wrong: list[dict[str, Any]] = [{"results": 0}, {"searches": 0}, {"train_problems": 0}, {"train_problems": 65}]
    for settings in wrong:
        with pytest.raises(ForageError, match="training problems"):
            Lookup(**settings)
    with pytest.raises(ForageError, match="splits"):
        TASK.problems("valid")  # pyright: ignore[reportArgumentType]
