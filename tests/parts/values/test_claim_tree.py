"""The tree that documents score: where it goes on, what it backs up, and what it hands in, against hand-made trees."""

import random

import pytest

from forage.core.errors import ForageError
from forage.parts.values.claim_tree import (
    ClaimNode,
    ClaimSearch,
    JudgedResponse,
    JudgedStep,
    chosen,
    descend,
    grow,
)


def step(tokens: tuple[int, ...], reward: int) -> JudgedStep:
    return JudgedStep(prefix=tokens, asked="q", answered=str(tokens[-1]), reward=reward)


def response(*steps: tuple[int, int], ended: bool = True, answer: str | None = "") -> JudgedResponse:
    """From (token, reward) of every step."""
    tokens = [token for token, _ in steps]
    made = tuple(step(tuple(tokens[: place + 1]), reward) for place, (_, reward) in enumerate(steps))
    return JudgedResponse(text="", steps=made, answer=str(tokens[-1]) if answer == "" else answer, ended=ended)


def grown(*responses: JudgedResponse) -> ClaimNode:
    root = ClaimNode()
    for each in responses:
        grow([root], each)
    return root


def test_rewards_are_backed_up_by_hand() -> None:
    """Two responses share their first step (3, then 2 and 1 behind it), a third one is another step of reward 2."""
    root = grown(response((5, 3), (6, 2)), response((5, 3), (7, 1)), response((8, 2)))
    five, eight = root.children
    assert [(child.visits, child.total) for child in five.children] == [(1, 2), (1, 1)]
    assert (five.visits, five.total, five.value) == (4, 9, 9 / 4)
    assert (eight.visits, eight.value) == (1, 2)
    assert (root.visits, root.total) == (5, 11)
    assert [child.terminal for child in (five, *five.children, eight)] == [False, True, True, True]


def test_a_response_from_a_step_is_backed_up_to_the_root() -> None:
    root = grown(response((5, 1), (6, 2)))
    (five,) = root.children
    grow([root, five], response((5, 1), (7, 3)))
    assert [child.value for child in five.children] == [2, 3]
    assert (five.visits, five.total, root.visits, root.total) == (3, 6, 3, 6), "the step itself is not judged again"


def test_backed_up_values_stay_within_the_rewards() -> None:
    draw = random.Random(0)
    for _ in range(50):
        root = ClaimNode()
        plan = ClaimSearch(actions=draw.randint(1, 3), exploration=draw.random() * 4)
        for _ in range(20):
            path = descend(root, plan)
            before = [each.step for each in path if each.step is not None]
            begun = before[-1].prefix if before else ()
            steps = list(before)
            for _ in range(draw.randint(1, 3)):
                begun = (*begun, draw.randint(0, 3))
                steps.append(step(begun, draw.randint(0, 3)))
            grow(path, JudgedResponse(text="", steps=tuple(steps), answer=None, ended=draw.random() < 0.5))
        waiting = [root]
        while waiting:
            node = waiting.pop()
            waiting += node.children
            assert 0 <= node.value <= 3
            assert node.visits >= sum(child.visits for child in node.children)
            if node.step is not None and not node.step.reward:
                assert not node.open


def test_the_search_goes_on_by_uct() -> None:
    """Behind the root: 5 with Q 9/4 in 4 visits, 8 open with Q 1 in 1; ln 5 = 1.6094."""
    root = grown(response((5, 3), (6, 2)), response((5, 3), (7, 1)), response((8, 1), ended=False))
    five, eight = root.children
    # 9/4 + sqrt(1.6094 / 4) = 2.884 and 1 + sqrt(1.6094) = 2.269; with weight 3: 4.153 and 4.806
    assert descend(root, ClaimSearch(exploration=1.0)) == [root, five], "all that is behind 5 has ended"
    assert descend(root, ClaimSearch(exploration=3.0)) == [root, eight], "behind 8 nothing was tried"
    assert descend(root, ClaimSearch(actions=3)) == [root], "a third action is tried first"


def test_nothing_goes_on_from_a_step_that_does_not_fit() -> None:
    root = grown(response((5, 0), ended=False), response((6, 1), (7, 2), ended=False))
    assert descend(root, ClaimSearch(exploration=0.0))[1].step == step((6,), 1)
    assert descend(grown(response((5, 0), ended=False), response((6, 0), ended=False)), ClaimSearch())[1:] == []


def test_what_is_handed_in() -> None:
    low, high = response((5, 1)), response((6, 3))
    assert chosen([low, high, high]) == 1
    assert chosen([response((5, 2)), response((6, 2)), response((6, 2))]) == 1, "of equals what most answer"
    assert chosen([response((5, 2), answer=None), response((6, 2))]) == 1, "no answer is no vote"
    assert chosen([response((5, 3), ended=False), low]) == 1, "what was given up comes last"
    assert chosen([response((5, 3), (6, 1)), response((7, 2), (8, 3))]) == 1, "by the mean over steps"
    assert high.settles
    assert not response((5, 3), (6, 2)).settles
    assert not response((5, 3), ended=False).settles


@pytest.mark.parametrize(
    "wrong", [{"responses": 0}, {"actions": 0}, {"exploration": -1.0}, {"exploration": float("nan")}]
)
def test_settings_that_search_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ForageError, match="at least 1 response"):
        ClaimSearch(**wrong)  # pyright: ignore[reportArgumentType]
