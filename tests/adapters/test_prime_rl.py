"""prime-rl's two interfaces, as recorded from it: an advantage function, and an algorithm's `score_group`."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from forage.adapters import prime_rl
from forage.core.errors import ForageError


@dataclass
class Inputs:
    """`AdvantageInputs` of prime-rl: the rollouts of a group, and how many tokens of each are learned."""

    rollouts: list[dict[str, Any]]
    completion_lengths: list[int]

    def broadcast(self, values: list[float]) -> list[list[float]]:
        return [[float(value)] * size for value, size in zip(values, self.completion_lengths, strict=True)]


def rollout(reward: float | None, text: str = "2") -> dict[str, Any]:
    said = [{"role": "assistant", "content": text}, {"role": "tool", "content": "ignored"}]
    return {"example_id": 1, "prompt": [], "completion": said, "reward": reward}


def test_a_baseline_in_the_place_of_the_default() -> None:
    """MaxRL of one right answer in four: (1 - 1/4) / (1/4) = 3, and -1 for the others."""
    inputs = Inputs([rollout(1.0), rollout(0.0), rollout(0.0), rollout(0.0)], [2, 1, 3, 1])
    with pytest.warns(UserWarning, match="average tokens by FixedLength"):
        found = prime_rl.advantage(inputs, methods=["maxrl"])
    assert found == [[3.0, 3.0], [-1.0], [-1.0] * 3, [-1.0]]


def test_diversity_keeps_the_estimator_and_reads_the_assistants_words() -> None:
    texts = ("add", "add", "count", "guess")
    rollouts = [rollout(float(n < 3), text) for n, text in enumerate(texts)]
    found = prime_rl.advantage(Inputs(rollouts, [1] * 4), methods=["mode_diversity:key=text"])
    (first,), (second,), (rare,), (wrong,) = found
    assert rare > first == second > wrong
    assert first + second + rare + wrong == pytest.approx(0.0)


def test_a_rollout_without_a_reward_gets_nothing_and_takes_no_part() -> None:
    inputs = Inputs([rollout(1.0), rollout(None), rollout(0.0)], [1] * 3)
    found = prime_rl.advantage(inputs, methods=["rloo"])
    assert found == [[1.0], [0.0], [-1.0]]


@dataclass
class Rollout:
    reward: float
    completion: str = ""
    assigned: list[float] = field(default_factory=list)

    def assign_advantages(self, value: float) -> None:
        self.assigned.append(value)


class Algorithm:
    def __init__(self, config: Any) -> None:
        self.config = config

    async def score_group(self, group: list[Rollout]) -> None:
        raise AssertionError("the subclass scores")


@pytest.mark.filterwarnings("ignore:.*average tokens")
def test_an_algorithm_assigns_one_credit_to_each_rollout() -> None:
    made = prime_rl.algorithm(Algorithm, methods=["maxrl"])("config")
    assert made.config == "config"
    group = [Rollout(1.0), Rollout(0.0), Rollout(0.0), Rollout(0.0)]
    asyncio.run(made.score_group(group))
    assert [one.assigned for one in group] == [[3.0], [-1.0], [-1.0], [-1.0]]
    asyncio.run(made.score_group([]))


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["entropy_advantage"], "among the tokens"),
        (["rrl"], "memory"),
        (["mode_diversity:key=answer"], "the problems here are the trainer's"),
        ([], "Which methods"),
        (["passk:k=8"], "at least 9"),
    ],
    ids=str,
)
def test_what_cannot_be_carried_is_refused(methods: list[str], says: str) -> None:
    with pytest.raises(ForageError, match=says):
        prime_rl.advantage(Inputs([rollout(1.0), rollout(0.0)], [1, 1]), methods=methods)


def test_an_older_algorithm_is_refused() -> None:
    with pytest.raises(ForageError, match="no score_group"):
        prime_rl.algorithm(SimpleNamespace, methods=["maxrl"])
