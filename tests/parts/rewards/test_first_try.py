"""First tries: the entry's invariants, by hand and over random episodes."""

import random
from dataclasses import replace

import pytest

from forage.core.actions import acting, first_tries
from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Problem, Rollout, Score, Start
from forage.methods import apply, first_try_bonus, first_try_random, grpo
from forage.parts.credit.assign.step_returns import StepReturns
from forage.parts.rewards.first_try import FirstTry
from forage.recipes import bandit
from forage.tasks.bandit import Bandit
from support.worlds import EASY
from tasks.test_bandit import PROBLEM, play

TASK = Bandit(arms=3, pulls=9)


def episode(turns: list[str], problem: Problem = PROBLEM, prefix: int = 0) -> Rollout:
    """A response of three tokens a turn: the arm, its end and, but for the last, the reply."""
    tokens = tuple(range(3 * len(turns) - 1))[3 * prefix :]
    given = tuple((place, place + 1) for place in range(2, len(tokens), 3))
    ends = (*(last for _, last in given), len(tokens))
    blank = (0.0,) * len(tokens)
    start = Start(problem, tuple(range(3 * prefix)))
    text = play(TASK, problem, turns[:-1]) + turns[-1]  # nothing answers what a limit cuts off
    return Rollout(start, tokens, blank, blank, text, ends, "length", 0, given)


def test_paid_at_the_turn_that_tries_something_new() -> None:
    rollout = episode(["a>", "a>", "?>", "b>", "a>"])
    (score,) = FirstTry(task=TASK, bonus=0.5)([rollout], [Score(0.3, {"correct": 1.0})])
    assert score.steps == (0.5, 0, 0, 0.5, 0)
    assert (score.value, score.parts) == (0.3, {"correct": 1.0, "first_tries": 2.0})
    (before,) = FirstTry(task=TASK)([rollout], [Score(0.3, steps=(0.1, 0.1, 0.1, 0.1, 0.1))])
    assert before.steps == pytest.approx((1.1, 0.1, 0.1, 1.1, 0.1)), "other rewards of steps stay"
    assert FirstTry(task=TASK)([rollout], [UNJUDGED]) == (UNJUDGED,)


def test_what_a_prefix_has_tried_is_tried() -> None:
    (score,) = FirstTry(task=TASK)([episode(["a>", "b>", "a>", "c>"], prefix=2)], [Score(0.0)])
    assert score.steps == (0, 1)


def test_at_most_one_bonus_for_each_action_and_as_many_elsewhere() -> None:
    draw, moved = random.Random(0), 0
    for _ in range(200):
        turns = [draw.choice("abcd?") + ">" for _ in range(draw.randint(1, 9))]
        rollout = episode(turns)
        (paid,) = FirstTry(task=TASK)([rollout], [Score(0.0)])
        (placebo,) = FirstTry(task=TASK, anywhere=True)([rollout], [Score(0.0)])
        assert paid.steps is not None
        assert placebo.steps is not None
        tried = {turn[0] for turn in turns} & set("abc")
        assert sum(paid.steps) == sum(placebo.steps) == len(tried) == paid.parts["first_tries"]
        assert sum(paid.steps) <= 3
        assert (placebo,) == FirstTry(task=TASK, anywhere=True)([rollout], [Score(0.0)])
        moved += paid.steps != placebo.steps
    assert moved > 100


def test_first_tries_by_hand() -> None:
    assert first_tries(("a", None, "b", "a", None)) == (True, False, True, False, False)
    assert first_tries(()) == ()


def test_a_task_without_actions_and_steps_that_are_no_turns_are_refused() -> None:
    assert acting(TASK, "This") is TASK
    with pytest.raises(ForageError, match="Try bandit"):
        FirstTry(task=EASY)
    with pytest.raises(ForageError, match="more than 0"):
        FirstTry(task=TASK, bonus=0)
    split = replace(episode(["a>", "b>"]), step_ends=(1, 3, 4, 5))
    with pytest.raises(ForageError, match="4 steps and 2 turns"):
        FirstTry(task=TASK)([split], [Score(0.0)])


def test_methods_put_it_together() -> None:
    recipe = replace(bandit(model="none", arms=3, pulls=9), rewards=(), methods=())
    made = apply(recipe, [grpo(), first_try_bonus(bonus=0.5, discount=1.0)])
    assert made.rewards == (FirstTry(task=recipe.task, bonus=0.5),)
    assert made.credit.assign == StepReturns(discount=1.0)
    assert apply(recipe, [grpo(), first_try_random()]).rewards == (FirstTry(task=recipe.task, anywhere=True),)
    assert made.sampling.max_tokens == 4 * 12, "room for every pull"
    with pytest.raises(ForageError, match="already"):
        apply(recipe, [grpo(), first_try_bonus(), first_try_bonus()])
    with pytest.raises(ForageError, match="Use one of the two"):
        apply(replace(recipe, credit=replace(recipe.credit, assign=StepReturns())), [first_try_bonus()])
