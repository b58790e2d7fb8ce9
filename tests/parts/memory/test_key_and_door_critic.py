"""Key and door with a critic: PPO on its own samples (one epoch, so ratios are 1 and clip nothing) over tables."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Tools
from forage.core.records import Group
from forage.core.seeds import derive_seed
from forage.parts.memory import ReplaySchedule, RetrospectiveReplay
from forage.parts.values import CriticValues
from parts.memory.test_key_and_door import PARAMS, PROBLEMS, RATE, Rooms, Walker, play, softmax

CRITIC_RATE = 0.1


@dataclass
class TableCritic:
    """The value of each problem, of each place before the door with the key, and of everything else."""

    table: dict[str, float] = field(default_factory=dict)

    def name(self, problem: str, response: Sequence[int]) -> str:
        if not response:
            return problem
        return f"{len(response) - 1} digits" if set(response) == {1} else "lost"

    def value(self, states: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor([self.table.get(self.name(PROBLEMS[s[0]].id, s[1:]), 0.0) for s in states])

    def measure(self, batch: Batch) -> Tensor:
        raise NotImplementedError("this world has no batches")


def improve(walker: Walker, critic: TableCritic, groups: Sequence[Group]) -> None:
    """Generalized advantages with gamma and lambda 1 (return minus value), by the critic of before the update."""
    seen: list[tuple[str, float]] = []
    moves: list[tuple[list[float], int, float]] = []
    for group in groups:
        name = group.start.problem.id
        for rollout, score in zip(group.rollouts, group.scores, strict=True):
            response = list(rollout.start.prefix)
            for token in rollout.tokens:
                state = critic.name(name, response)
                seen.append((state, score.value))
                if (row := walker.logits(name, response)) is not None:
                    moves.append((row, token, (score.value - critic.table.get(state, 0.0)) / len(group.rollouts)))
                response.append(token)
    shares = [softmax(row) for row, _, _ in moves]
    for (row, token, advantage), share in zip(moves, shares, strict=True):
        for index in range(len(row)):
            row[index] += RATE * advantage * ((index == token) - share[index])
    for state, value in seen:
        known = critic.table.get(state, 0.0)
        critic.table[state] = known + CRITIC_RATE * (value - known)


def trained_with_critic(
    seed: int, tokens: int, *, share: float = 0.5, cut: Literal["value", "random"] = "value", margin: float = 0.02
) -> float:
    """The exact solve rate after the step in which `tokens` were sampled. Values take none."""
    schedule = ReplaySchedule(last=10**6, collect_until=10**6, replay_from=2, share=share)
    config = RetrospectiveReplay(
        schedule=schedule, traces=4, values=CriticValues(), rescore_every=5, quantile=0.8, margin=margin,
        window=(0.1, 0.9), cut=cut,
    )  # fmt: skip
    walker, critic, memory = Walker(), TableCritic(), config.open(PROBLEMS, seed=seed)
    tools = Tools(walker, walker, walker, None, critic)
    spent = step = 0
    while spent < tokens:
        step += 1
        groups = play(memory, tools, step, seed)
        memory.observe(groups, Rooms(), tools, PARAMS, step=step, seed=derive_seed(seed, "study", step))
        improve(walker, critic, groups)
        memory.record(groups, step=step)
        spent += sum(len(rollout.tokens) for group in groups for rollout in group.rollouts)
    return walker.solve_rate()


TOKENS = 40 * 64 * 8
"""What 40 steps of whole responses take."""


def rates(seeds: Sequence[int], tokens: int = TOKENS) -> dict[str, list[float]]:
    return {
        "ppo": [trained_with_critic(seed, tokens, share=0.0) for seed in seeds],
        "rrl": [trained_with_critic(seed, tokens) for seed in seeds],
        "random cuts": [trained_with_critic(seed, tokens, cut="random") for seed in seeds],
    }


def test_replay_by_a_critic_solves_more_at_equal_tokens_and_random_cuts_lose_most_of_the_gain() -> None:
    means = {name: statistics.mean(values) for name, values in rates(range(4)).items()}
    assert means["rrl"] > means["ppo"] + 0.2
    assert means["random cuts"] - means["ppo"] < (means["rrl"] - means["ppo"]) / 2


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [TOKENS, 2 * TOKENS])
def test_over_seeds_that_nothing_was_chosen_on(tokens: int) -> None:
    """Prints the table of docs/findings/replay.md; run with -s."""
    found = rates(range(100, 116), tokens)
    for name, values in found.items():
        error = statistics.stdev(values) / len(values) ** 0.5
        print(f"{tokens} {name}: {statistics.mean(values):.3f} +- {error:.3f}, {min(values):.3f} ... {max(values):.3f}")
    for name in ("rrl", "random cuts"):
        gains = [mine - base for mine, base in zip(found[name], found["ppo"], strict=True)]
        error = statistics.stdev(gains) / len(gains) ** 0.5
        print(f"{tokens} {name} - ppo: {statistics.mean(gains):+.3f} +- {error:.3f}")
    assert statistics.mean(found["rrl"]) > statistics.mean(found["ppo"])
