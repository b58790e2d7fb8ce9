"""Bandits: the game by hand, and what the policy may write to fool it."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.serialize import decode_part, encode_part
from forage.core.turns import environment_of
from forage.tasks.bandit import Bandit
from forage.tasks.names import parse_task

MEANS = {"a": 0.2, "b": 0.8, "c": 0.5}
PROBLEM = Problem(id="bandit:x", prompt="abc=", answer=json.dumps(MEANS), task="bandit")
TASK = Bandit(arms=3, pulls=4)


def play(task: Bandit, problem: Problem, turns: list[str]) -> str:
    text = ""
    for turn in turns:
        text += turn
        text += task.reply(problem, text) or ""
    return text


def test_an_episode_by_hand() -> None:
    text = play(TASK, PROBLEM, ["a>", "b>", "b>", "c>"])
    assert [text[place] for place in (0, 3, 6, 9)] == ["a", "b", "b", "c"]
    assert text.endswith("c>"), "the last pull is not answered: the episode is over"
    assert TASK.actions(PROBLEM, text) == ("a", "b", "b", "c")
    score = TASK.verify(PROBLEM, text)
    assert score.value == pytest.approx((0 + 1 + 1 + 0.5) / 4)
    assert (score.parts["correct"], score.parts["commit"], score.parts["coverage"]) == (1, 1, 1)
    assert TASK.answer(PROBLEM, text) == "b"
    assert TASK.marks_answer(PROBLEM, text)
    assert not TASK.marks_answer(PROBLEM, text[:-1])


def test_replies_follow_from_the_problem_and_the_history_alone() -> None:
    problems = TASK.problems("train")
    first = [play(TASK, problem, ["a>", "b>", "a>", "a>"]) for problem in problems]
    assert first == [play(Bandit(arms=3, pulls=4), problem, ["a>", "b>", "a>", "a>"]) for problem in problems]
    assert play(TASK, PROBLEM, ["a>", "b>"])[2] == play(TASK, PROBLEM, ["b>", "a>"])[5], "an arm has its own draws"
    paid = Counter[str]()
    for number in range(600):
        problem = Problem(id=f"{number}", prompt="abc=", answer=PROBLEM.answer, task="bandit")
        text = play(TASK, problem, ["a>", "b>", "b>", "c>"])
        paid.update({"a": text[2] == "1", "b": (text[5] == "1") + (text[8] == "1")})
    assert paid["a"] / 600 == pytest.approx(0.2, abs=0.06)
    assert paid["b"] / 1200 == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("turns", "actions"),
    [
        (["I think b: b>", "the same, b >", "c.>"], ("b", "b", "c", None)),
        (["?>", "ab>", "d>", ">"], (None, None, None, None)),
        (["a>", "b"], ("a", None)),
        (["a>", ""], ("a", None)),
        (["a>>", "b>"], ("a", "b", None)),  # one token may hold more than the end
        (["a 1 b 0 c 1"], (None,)),
    ],
)
def test_what_counts_as_an_action(turns: list[str], actions: tuple[str | None, ...]) -> None:
    assert TASK.actions(PROBLEM, play(TASK, PROBLEM, turns)) == actions


def test_a_turn_without_an_arm_costs_and_is_refused() -> None:
    text = play(TASK, PROBLEM, ["b>", "?>", "b>", "b>"])
    assert text[5] == "-"
    assert TASK.rewards(text)[1] is None
    score = TASK.verify(PROBLEM, text)
    assert score.value == pytest.approx((3 - 5) / 4)
    assert score.parts["other"] == 0.25
    free = Bandit(arms=3, pulls=4, penalty=0)
    assert free.verify(PROBLEM, text).value == pytest.approx(3 / 4)


def test_texts_of_any_kind_are_judged() -> None:
    draw = random.Random(1)
    for _ in range(500):
        text = "".join(draw.choice("abcd>01-? ") for _ in range(draw.randint(0, 20)))
        score = TASK.verify(PROBLEM, text)
        assert -5 <= score.value <= 1
        assert 0 <= score.parts["coverage"] <= 1
        assert TASK.reply(PROBLEM, text) in ("0", "1", "-", None)


def test_problems_and_names() -> None:
    task = Bandit()
    train, test = task.problems("train"), task.problems("test")
    assert {problem.prompt for problem in (*train, *test)} == {"abcde="}, "nothing tells which arm pays"
    assert len({problem.id for problem in (*train, *test)}) == 512 + 128
    best = Counter(max(means, key=lambda arm: means[arm]) for each in train for means in [json.loads(each.answer)])
    assert all(60 < best[arm] < 150 for arm in "abcde")
    assert Bandit(seed=1).problems("test") == test
    assert Bandit(seed=1).problems("train") != train
    assert environment_of(task) is task
    assert parse_task("bandit:arms=3,pulls=4") == TASK == decode_part(encode_part(TASK), Bandit)


@pytest.mark.parametrize(
    "settings", [{"arms": 1}, {"arms": 11}, {"pulls": 0}, {"best": 0.4}, {"rest": -0.1}, {"penalty": -1}]
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError, match=r"bandit|best arm"):
        Bandit(**settings)
