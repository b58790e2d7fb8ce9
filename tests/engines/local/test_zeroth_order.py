"""Learning by comparing two weights: who sampled what, where the weights go, and that they come back."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Group, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.engines.local.adapters import Lora
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.zeroth_order import ZerothOrderPolicy
from forage.engines.optimization import Optimization
from forage.engines.perturbation import Perturbation
from forage.methods import Applied, entropy_advantage, grpo, kl_penalty, rrl, zpg, zpg_random
from forage.parts.losses.policy_loss import PolicyLoss
from forage.tasks.bandit import Bandit
from forage.training.recipe import Grouping, Recipe
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.small_recipes import small_recipe
from support.worlds import World, blank_model

TASK = World(worth=(("north", 1.0),))
PROMPT = (2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


def opened_with(
    folder: Path, settings: Perturbation, *, adapter: Lora | None = None
) -> tuple[Opened, ZerothOrderPolicy]:
    optimization = Optimization(lr=1e-3, perturbation=settings)
    opened = LocalEngine(threads=1, matmul="highest", adapter=adapter).open(str(folder), optimization=optimization)
    assert isinstance(opened.policy, ZerothOrderPolicy)
    return opened, opened.policy


def weights(policy: ZerothOrderPolicy) -> Tensor:
    with torch.no_grad():
        return parameters_to_vector([each for each in policy.model.module.parameters() if each.requires_grad]).clone()


def logprob(policy: ZerothOrderPolicy, tokens: tuple[int, ...]) -> list[float]:
    with torch.no_grad():
        logp = policy.model.module(torch.tensor([PROMPT + tokens])).logits[0].log_softmax(-1)
    return [float(logp[1 + place, token]) for place, token in enumerate(tokens)]


def test_half_of_the_siblings_are_the_perturbed_policys_and_the_weights_come_back(folder: Path) -> None:
    opened, policy = opened_with(folder, Perturbation(radius=3.0))
    before, places = weights(policy), [each.data_ptr() for each in policy.model.module.parameters()]
    requests = [SampleRequest(tokens=PROMPT, group_size=6, seed=seed) for seed in (1, 2)]
    drawn = dict(opened.sampler.sample(requests, SamplingParams(max_tokens=3)))
    assert torch.equal(weights(policy), before)
    assert [each.data_ptr() for each in policy.model.module.parameters()] == places
    assert [len(drawn[number]) for number in (0, 1)] == [6, 6]
    for completions in drawn.values():
        for plain in completions[:3]:
            assert plain.logprobs == pytest.approx(logprob(policy, plain.tokens), abs=1e-5)
        with policy.perturbed():
            torch.testing.assert_close(weights(policy), before + 3 * policy.direction())
            for other in completions[3:]:
                assert other.logprobs == pytest.approx(logprob(policy, other.tokens), abs=1e-5)
        assert completions[3].logprobs != pytest.approx(logprob(policy, completions[3].tokens), abs=1e-5)


def train_of(policy: ZerothOrderPolicy, rewards: list[list[float]]) -> TrainBatch:
    """A group for each list of rewards: the policy's half, then the other."""
    start = Start(TASK.problems("train")[0])
    rollout = Rollout(start, (5,), (-1.0,), (1.0,), "three", (1,), "length", policy.version)
    groups = [Group(start, (rollout,) * len(row), tuple(Score(value) for value in row)) for row in rewards]
    batch = collate(groups, lambda problem: PROMPT)
    return TrainBatch(Experience(batch, {}), torch.zeros(batch.tokens.shape))


@pytest.mark.parametrize("adapter", [None, Lora(rank=2)], ids=["all weights", "adapter"])
def test_the_weights_move_by_the_estimate(folder: Path, adapter: Lora | None) -> None:
    settings = Perturbation(radius=0.5, floor=0.1, blocks=2)
    _, policy = opened_with(folder, settings, adapter=adapter)
    frozen = [each.clone() for each in policy.model.module.parameters() if not each.requires_grad]
    before, direction = weights(policy), policy.direction()
    assert direction.norm().item() == pytest.approx(1)
    train = train_of(policy, [[0, 0, 1, 1], [0.5, 1, 0, 1], [0, math.nan, 0, 1]])
    # p: .9 (two wins, held), 1/4 (a loss and a tie), 1/2 (a tie; a pair is not judged)
    gap = (math.log(9) + math.log(1 / 3) + 0) / 3
    metrics = policy.improve(train, PolicyLoss(), seed=0)
    assert metrics["value_gap"] == pytest.approx(gap)
    wanted = before + 1e-3 * len(before) / 0.5 * gap * direction
    torch.testing.assert_close(weights(policy), wanted)
    assert metrics["moved"] == pytest.approx((wanted - before).norm().item(), rel=1e-4)
    assert policy.version == 1
    assert not torch.equal(policy.direction(), direction)
    assert all(
        torch.equal(a, b)
        for a, b in zip(frozen, (p for p in policy.model.module.parameters() if not p.requires_grad), strict=True)
    )


def test_the_control_draws_the_sign(folder: Path) -> None:
    _, policy = opened_with(folder, Perturbation(random=True))
    gaps = [policy.improve(train_of(policy, [[0, 1]]), PolicyLoss(), seed=seed)["value_gap"] for seed in range(12)]
    assert {round(gap, 4) for gap in gaps} == {2.9444, -2.9444}


def test_it_climbs_a_smooth_hill(folder: Path) -> None:
    """Rewards are ln pi of one response under the weights that sampled: many directions raise it, without gradients."""
    _, policy = opened_with(folder, Perturbation(radius=0.3, floor=0.05))
    policy._lr = 0.2 * 0.3**2 / len(weights(policy))  # pyright: ignore[reportPrivateUsage]  (a fifth of the radius a move)
    start = logprob(policy, (6,))[0]
    for seed in range(60):
        plain = logprob(policy, (6,))[0]
        with policy.perturbed():
            perturbed = logprob(policy, (6,))[0]
        policy.improve(train_of(policy, [[plain, perturbed]]), PolicyLoss(), seed=seed)
    assert logprob(policy, (6,))[0] > start + 0.05


def small(folder: Path, *methods: Applied, **settings: object) -> Recipe:
    return small_recipe(folder, TASK, *methods, **settings)


def test_it_resumes_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    whole, parts = map(
        metrics_of, train_whole_and_in_parts(small(folder, zpg(blocks=2, radius=20.0)), tmp_path, stop_after=3)
    )
    assert str(whole) == str(parts)
    assert any(row["moved"] > 0 for row in whole)


def test_what_is_refused(folder: Path) -> None:
    assert small(folder, zpg_random(radius=2.0)).optimization.perturbation == Perturbation(radius=2.0, random=True)
    for other in (entropy_advantage(), kl_penalty(coefficient=0.1)):
        with pytest.raises(ForageError, match="would do nothing"):
            small(folder, zpg(), other)
    with pytest.raises(ForageError, match="an even size"):
        small(folder, zpg(), grouping=Grouping(groups=2, group_size=3))
    assert small(folder, zpg(), seed=7).optimization.perturbation == Perturbation(seed=7)
    directions = [opened_with(folder, Perturbation(seed=seed))[1].direction() for seed in (0, 7)]
    assert not torch.equal(*directions)
    with pytest.raises(ForageError, match="plain sampling of whole"):
        small(folder, zpg(), rrl())
    with pytest.raises(ForageError, match="has an environment"):
        small(folder, zpg(), task=Bandit())
    for settings in ({"radius": 0.0}, {"floor": 0.5}, {"blocks": 0}):
        with pytest.raises(ForageError, match=r"above 0|at least 1"):
            Perturbation(**settings)  # pyright: ignore[reportArgumentType]
    assert small(folder, grpo()).optimization.perturbation is None
    opened = opened_with(folder, Perturbation())[1]
    with pytest.raises(ForageError, match="even number"):
        opened.improve(train_of(opened, [[0, 1, 1]]), PolicyLoss(), seed=0)
