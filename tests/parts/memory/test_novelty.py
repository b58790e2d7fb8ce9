"""Novelty by a predictor: what is frozen stays, what was met gets old, and the control deals the same numbers."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Memory
from forage.core.records import UNJUDGED, Group, Score, Start
from forage.methods import apply, grpo, i_mentor, i_mentor_shuffled, ppo
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.visit_addition import NoveltyAddition
from forage.parts.credit.shape.whiten import Whiten
from forage.parts.memory import ShuffledProblems
from forage.parts.memory.novelty import Novelty
from forage.parts.memory.random_network import RandomNetwork
from forage.parts.signals import measure
from forage.parts.signals.novelty_bonus import NoveltyBonus
from forage.tasks.countdown import Countdown
from forage.training.recipe import Recipe
from support.builders import problem, rollout
from support.coins import Coins

PROBLEMS = [problem(str(number)) for number in range(5)]


def group(values: Sequence[float], *, first: int = 5, name: str = "0") -> Group:
    """Siblings of different tokens; NaN was not judged."""
    start = Start(problem(name))
    members = tuple(rollout(start, range(first + i, first + i + 2 + i)) for i in range(len(values)))
    scores = tuple(UNJUDGED if math.isnan(value) else Score(value, {"correct": value}) for value in values)
    return Group(start, members, scores)


GROUPS = (group([1, 0, 0, math.nan]), group([0, 0, 1], first=20, name="1"))


def parts(groups: Sequence[Group], name: str) -> list[float]:
    return [score.parts.get(name, math.nan) for each in groups for score in each.scores]


def memory_of(config: Novelty | None = None, *, seed: int = 3) -> Memory:
    return (config or Novelty()).open(PROBLEMS, seed=seed)


def test_only_wrong_judged_responses_are_paid_and_nothing_else_of_a_score_changes() -> None:
    marked = memory_of().marked(GROUPS, step=1)
    bonus = parts(marked, "novelty_bonus")
    assert [math.isnan(value) for value in bonus] == [False, False, False, True, False, False, False]
    assert bonus[0] == bonus[6] == 0
    paid = [bonus[i] for i in (1, 2, 4, 5)]
    assert all(0 <= value <= 0.5 for value in paid)
    assert max(paid) > 0
    for before, after in zip(GROUPS, marked, strict=True):
        assert [score.correct for score in after.scores] == [score.correct for score in before.scores]
        values = [score.value for score in after.scores]
        torch.testing.assert_close(values, [score.value for score in before.scores], equal_nan=True)


def test_a_reward_in_the_place_of_the_verdict_is_refused() -> None:
    graded = replace(GROUPS[0], scores=tuple(replace(score, graded=True) for score in GROUPS[0].scores))
    with pytest.raises(ForageError, match="i_mentor needs a verdict"):
        memory_of().marked([graded], step=1)


def test_looking_learns_nothing_and_what_is_recorded_gets_old() -> None:
    memory = memory_of()
    first = parts(memory.marked(GROUPS, step=1), "novelty")
    assert str(parts(memory.marked(GROUPS, step=1), "novelty")) == str(first), "scored before it is learned"
    for step in range(1, 301):
        memory.record([GROUPS[0]], step=step)
    last = parts(memory.marked(GROUPS, step=1), "novelty")
    assert sum(last[:3]) < 0.2 * sum(first[:3])
    assert sum(last[:3]) / sum(first[:3]) < sum(last[4:]) / sum(first[4:]), "what was not met stays newer"


def test_the_target_and_the_vectors_are_frozen_and_the_error_is_the_formula() -> None:
    network = RandomNetwork(seed=1)
    responses = [(4, 5, 6), (7,), (6, 5, 4)]
    vectors = network.embed(responses)
    frozen = [parameter.clone() for parameter in network.target.parameters()]
    before = network.errors(responses)
    for _ in range(3):
        network.learn(responses)
    assert all(torch.equal(a, b) for a, b in zip(frozen, network.target.parameters(), strict=True))
    assert torch.equal(network.embed(responses), vectors)
    assert not torch.equal(vectors[0], vectors[2]), "the order of tokens counts"
    assert not torch.equal(network.errors(responses), before)

    def said(net: torch.nn.Sequential) -> torch.Tensor:
        """The network by its weights, in float64."""
        x = vectors.double()
        layers = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
        for layer in layers[:-1]:
            x = functional.leaky_relu(x @ layer.weight.double().T + layer.bias.double(), 0.01)
        return torch.sigmoid(x @ layers[-1].weight.double().T + layers[-1].bias.double())[:, 0]

    wanted = (said(network.predictor) - said(network.target)).square()
    torch.testing.assert_close(network.errors(responses).double(), wanted.detach(), rtol=1e-3, atol=1e-9)


def test_what_a_vector_is() -> None:
    """The mean of independent numbers of variance 1 times the root of their number has variance 1 again."""
    vectors = RandomNetwork(seed=0, size=64).embed([tuple(range(n, 2 * n)) for n in (1, 5, 50)])
    spread = vectors.square().mean(1)
    assert ((spread > 0.4) & (spread < 2.5)).all()


def test_state_restores_bit_for_bit() -> None:
    memory, again = memory_of(), memory_of()
    fresh = ShuffledProblems().open(PROBLEMS, seed=3)
    for step in range(1, 4):
        assert memory.draw(2, step=step) == fresh.draw(2, step=step)
        memory.record(GROUPS, step=step)
    kept = json.dumps(memory.state())
    again.restore(json.loads(kept))
    for each in (memory, again):
        each.record(GROUPS, step=4)
    assert memory.state() == again.state()
    assert json.dumps(memory.state()) != kept
    assert memory.draw(3, step=5) == again.draw(3, step=5)
    assert str(memory.marked(GROUPS, step=5)) == str(again.marked(GROUPS, step=5))


def test_the_control_deals_the_same_novelty_to_other_wrong_responses() -> None:
    groups = [group([0, 0, 1, 0], first=10 * i, name=str(i)) for i in range(1, 5)]
    real = parts(memory_of().marked(groups, step=2), "novelty_bonus")
    control = memory_of(Novelty(permuted=True))
    dealt = parts(control.marked(groups, step=2), "novelty_bonus")
    assert sorted(dealt) == sorted(real)
    assert dealt != real
    assert dealt == parts(control.marked(groups, step=2), "novelty_bonus")
    assert dealt != parts(control.marked(groups, step=3), "novelty_bonus")


def test_the_signal_is_on_all_tokens_or_on_the_last_one() -> None:
    marked = memory_of().marked(GROUPS, step=1)
    bonus = [0.0 if math.isnan(value) else value for value in parts(marked, "novelty_bonus")]
    batch = collate(marked, lambda _: (1, 2))
    for at_end in (False, True):
        signal = NoveltyBonus(at_end=at_end)(marked, batch, Coins().tools, seed=0)
        assert (signal[~batch.loss_mask] == 0).all()
        lengths = batch.loss_mask.sum(1)
        assert signal.sum(1).tolist() == pytest.approx(
            [b * (1 if at_end else n.item()) for b, n in zip(bonus, lengths, strict=True)]
        )
        last = lengths + batch.loss_mask.int().argmax(1) - 1
        torch.testing.assert_close(signal[torch.arange(len(bonus)), last], torch.tensor(bonus))


def test_advantages_are_the_groups_own_plus_the_bonus() -> None:
    marked = memory_of().marked(GROUPS, step=1)
    batch = collate(marked, lambda _: (1, 2))
    experience = measure(marked, batch, {"novelty_bonus"}, (NoveltyBonus(),), Coins().tools, seed=0)
    plain = Credit(baselines=(MeanCentre(),))
    added = replace(plain, shapes=(NoveltyAddition(),))
    unjudged = batch.reward.isnan()
    difference = (added(experience).advantage - plain(experience).advantage)[~unjudged]
    torch.testing.assert_close(difference, experience.signals["novelty_bonus"][~unjudged])
    assert (added(experience).advantage[unjudged] == 0).all()


def test_the_method_comes_before_whitening_with_a_critic_and_behind_the_deviation_without() -> None:
    recipe = Recipe(name="toy", model="none", task=Countdown(size="demo"))
    plain = apply(recipe, [grpo(), i_mentor(decay=10, rate=0.01)])
    assert plain.memory == Novelty(decay=10, lr=0.01)
    assert plain.credit.shapes == (NoveltyAddition(),)
    assert plain.signals == (NoveltyBonus(),)
    critic = apply(recipe, [ppo(), i_mentor()])
    assert [type(shape) for shape in critic.credit.shapes] == [NoveltyAddition, Whiten]
    assert critic.signals == (NoveltyBonus(at_end=True),)
    assert apply(recipe, [grpo(), i_mentor_shuffled()]).memory == Novelty(permuted=True)
    for settings in ({"height": -1.0}, {"decay": 0.0}, {"rate": 0.0}):
        with pytest.raises(ForageError, match="above 0"):
            apply(recipe, [grpo(), i_mentor(**settings)])
