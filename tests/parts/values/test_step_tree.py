"""The tree of steps that rollouts form, worked by hand."""

import math

import pytest

from forage.core.records import Rollout, Start
from forage.parts.values.step_tree import grow, pairs, promising
from support.builders import problem

START = Start(problem())


def written(tokens: tuple[int, ...], ends: tuple[int, ...], logprob: float = -0.5) -> Rollout:
    blank = (0.0,) * len(tokens)
    return Rollout(START, tokens, (logprob,) * len(tokens), blank, "", ends, "eos", 0)


# Two first steps: (1, 1), taken three times and right once; (2,), taken once and right. Behind (1, 1) there are two
# next steps, (3,) of value 1/2 and (4,) of value 0; behind (1, 1, 3) there are (5,), right, and (6,), wrong.
ROLLOUTS = [
    written((1, 1, 3, 5), (2, 3, 4)),
    written((1, 1, 4), (2, 3)),
    written((2, 7), (1, 2)),
    written((1, 1, 3, 6), (2, 3, 4)),
    written((9,), (1,)),
]
VALUES = [1.0, 0.0, 1.0, 0.0, math.nan]


def test_a_prior_is_of_what_the_policy_wrote() -> None:
    logprobs = (-1.0, math.nan, math.nan, -0.5)
    answered = Rollout(START, (1, 8, 8, 2), logprobs, logprobs, "", (3, 4), "eos", 0, ((1, 3),))
    (first,) = grow([answered], [1.0]).children
    assert (first.prefix, first.prior) == ((1, 8, 8), pytest.approx(math.exp(-1.0)))
    assert first.children[0].prior == pytest.approx(math.exp(-0.5))


def test_visits_and_values() -> None:
    root = grow(ROLLOUTS, VALUES)
    assert (root.visits, root.value) == (4, 0.5)
    first, second = root.children
    assert (first.prefix, first.visits, first.value, first.begin, first.row) == ((1, 1), 3, pytest.approx(1 / 3), 0, 0)
    assert (second.prefix, second.visits, second.value, second.row) == ((2,), 1, 1.0, 2)
    assert first.prior == pytest.approx(math.exp(-1.0 / 2**1.25))
    assert [child.prefix for child in first.children] == [(1, 1, 3), (1, 1, 4)]
    assert [child.terminal for child in first.children] == [False, True]


def test_values_lie_between_those_of_the_children_and_visits_add_up() -> None:
    waiting = [grow(ROLLOUTS, VALUES)]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.children:
            values = [child.value for child in node.children]
            assert min(values) <= node.value <= max(values)
            assert node.visits >= sum(child.visits for child in node.children)


def test_pairs_are_the_best_and_the_worst_of_siblings() -> None:
    found = [(best.prefix, worst.prefix) for best, worst in pairs(grow(ROLLOUTS, VALUES))]
    assert found == [((2,), (1, 1)), ((1, 1, 3), (1, 1, 4)), ((1, 1, 3, 5), (1, 1, 3, 6))]
    assert len(pairs(grow(ROLLOUTS, VALUES), gap=0.6)) == 2  # 1 - 1/3 and 1 - 0, not 1/2 - 0
    assert pairs(grow(ROLLOUTS, [1.0] * 5)) == []


def test_the_search_goes_down_by_value_and_by_doubt() -> None:
    # Q + w p sqrt(4) / (1 + N): (1, 1) has 1/3 + 2 w .657 / 4 (p = exp(-1 / 2^1.25)), (2,) 1 + 2 w .607 / 2: (2,),
    # whose one next step is fewer than two actions.
    assert promising(grow(ROLLOUTS, VALUES), actions=2, exploration=1.0).prefix == (2,)
    # With (2,) wrong and no exploration (1, 1) is better; below it (3,) leads, whose next steps are all ends.
    values = [1.0, 0.0, 0.0, 0.0, math.nan]
    assert promising(grow(ROLLOUTS, values), actions=2, exploration=0.0).prefix == (1, 1, 3)
    # Four actions: even the start has too few different next steps.
    assert promising(grow(ROLLOUTS, values), actions=4, exploration=0.0).prefix == ()
    # Where all next steps are ends, the search stays above them.
    ends = [written((1,), (1,)), written((2,), (1,))]
    assert promising(grow(ends, [1.0, 0.0]), actions=2, exploration=1.0).prefix == ()
