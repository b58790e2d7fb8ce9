"""Searching a step's responses: whole responses, batched and alone alike, and the tree that they were sampled by."""

from collections.abc import Sequence

import pytest
import torch

from forage.core.collate import collate
from forage.core.records import Group, SamplingParams, Score, Start
from forage.ops.preferences import visit_smoothing
from forage.parts.explore.step_search import StepSearch
from forage.parts.signals.step_pairs import PairSmoothing, StepPairs
from forage.parts.values.step_search import TreeSearch
from forage.parts.values.step_tree import pairs
from parts.explore.test_branching_at_steps import Flips
from support.builders import problem
from support.coins import Coins

PARAMS = SamplingParams(max_tokens=4)
STARTS = [Start(problem("a")), Start(problem("b"), (1,))]
PLAN = TreeSearch(depth=4, exploration=0.3)


def explore(plan: TreeSearch = PLAN, *, seed: int = 0, starts: Sequence[Start] = STARTS, coins: Coins | None = None):
    tools = (coins or Coins()).tools
    found = sorted(StepSearch(search=plan)(starts, Flips(), tools, group_size=12, params=PARAMS, seed=seed))
    return [rollouts for _, rollouts in found]


def groups(*, seed: int = 0) -> list[Group]:
    coins = Coins()
    return [
        Group(start, rollouts, coins.submit(start.problem, [each.text for each in rollouts]).result())
        for start, rollouts in zip(STARTS, explore(seed=seed, coins=coins), strict=True)
    ]


def test_siblings_are_whole_responses_from_the_start() -> None:
    for start, rollouts in zip(STARTS, explore(), strict=True):
        assert 2 <= len(rollouts) <= 12
        for rollout in rollouts:
            assert rollout.start == start
            assert len(rollout.tokens) == 4 - len(start.prefix)
            assert rollout.text == "".join(map(str, start.prefix + rollout.tokens))


def test_only_the_new_tokens_are_sampled() -> None:
    coins = Coins()
    (rollouts,) = explore(starts=STARTS[:1], coins=coins)
    assert coins.asked[0].group_size == 2
    assert [request.group_size for request in coins.asked[1:]] == [1] * (len(rollouts) - 2)
    assert all(len(request.tokens) - 1 + (request.limit or 0) == 4 for request in coins.asked)
    assert any(len(request.tokens) > 1 for request in coins.asked[1:])


def test_the_same_seed_searches_the_same_tree_in_any_company() -> None:
    assert explore() == explore()
    assert explore(starts=STARTS[:1])[0] == explore()[0]
    assert explore(seed=1) != explore()


def test_a_start_gets_at_most_as_many_siblings_as_it_asks_for() -> None:
    few, odd = explore(starts=[Start(problem("c"), group_size=2), Start(problem("d"), group_size=5)])
    assert (len(few), len(odd)) == (2, 4)  # two steps are tried at a time


def test_the_search_goes_where_it_pays() -> None:
    """Worth is the share of heads, so the first step of heads is visited more often than chance sends it there."""
    heads = [r.tokens[0] for seed in range(20) for r in explore(seed=seed, starts=STARTS[:1])[0][2:]]
    assert sum(heads) / len(heads) > 0.6


def test_responses_that_cannot_be_judged_end_the_search_all_the_same() -> None:
    texts = [f"{number:04b}" for number in range(16)]
    (rollouts,) = explore(starts=STARTS[:1], coins=Coins(broken=tuple(texts)))
    assert len(rollouts) == 12


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_the_search_that_sampled(seed: int) -> None:
    tried = groups(seed=seed)
    batch, tools = collate(tried, lambda problem: (9,)), Coins().tools
    marks = StepPairs(search=PLAN)(tried, batch, tools, seed=0)
    smoothing = PairSmoothing(search=PLAN)(tried, batch, tools, seed=0)
    wanted, doubts, first, number = torch.zeros_like(marks), torch.zeros_like(marks), 0, 0
    for group in tried:
        root = PLAN.replay(group.rollouts, group.scores)
        assert root is not None
        for best, worst in pairs(root):
            number += 1
            for node, sign in ((best, 1), (worst, -1)):
                places = 1 + len(group.start.prefix) + torch.arange(node.begin, len(node.prefix))
                wanted[first + node.row, places] = sign * number
                doubts[first + node.row, places] = visit_smoothing(best.visits, worst.visits)
        first += len(group.rollouts)
    assert number >= 1
    assert torch.equal(marks, wanted)
    assert torch.equal(smoothing, doubts)


def test_the_control_labels_the_same_pairs_by_a_coin() -> None:
    tried = groups()
    batch, tools = collate(tried, lambda problem: (9,)), Coins().tools
    real = StepPairs(search=PLAN)(tried, batch, tools, seed=0)
    turned = 0
    for seed in range(40):
        random = StepPairs(search=PLAN, labels="random")(tried, batch, tools, seed=seed)
        assert torch.equal(random.abs(), real.abs())
        turned += int((random[real == 1] < 0).any())  # the preferred step of the first pair
    assert 8 < turned < 32
    assert torch.equal(real, StepPairs(search=PLAN)(tried, batch, tools, seed=5))


def test_a_group_whose_verdicts_have_changed_makes_no_pair() -> None:
    tried = groups()
    turned = [Group(g.start, g.rollouts, tuple(Score(1 - score.value) for score in g.scores)) for g in tried]
    batch = collate(tried, lambda problem: (9,))
    assert (StepPairs(search=PLAN)(tried, batch, Coins().tools, seed=0) != 0).any()
    assert (StepPairs(search=PLAN)(turned, batch, Coins().tools, seed=0) == 0).all()
