"""A search over steps: worked by hand, its invariants on random trees, and a tree that is grown again from leaves."""

import math
import random
from collections.abc import Iterator

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Rollout, Score, Start
from forage.parts.values.step_search import SearchNode, SearchTree, TreeSearch, verdict
from forage.parts.values.step_tree import pairs
from support.builders import problem

START = Start(problem())


def written(tokens: tuple[int, ...], *, logprob: float = -0.5) -> Rollout:
    """Every token is a step."""
    ends, blank = tuple(range(1, len(tokens) + 1)), (0.0,) * len(tokens)
    return Rollout(START, tokens, (logprob,) * len(tokens), blank, "", ends, "eos", 0)


def nodes(root: SearchNode) -> Iterator[SearchNode]:
    yield root
    for child in root.children:
        yield from nodes(child)


def coin(draw: random.Random, prefix: tuple[int, ...]) -> Rollout:
    """A response of four steps after a prefix."""
    return written(prefix + tuple(draw.randrange(3) for _ in range(4 - len(prefix))), logprob=-draw.random())


def grown(plan: TreeSearch, budget: int, seed: int) -> tuple[SearchTree, list[Rollout], list[Score]]:
    """A search whose responses are right where they begin with 0 or by chance; one in ten is not judged."""
    draw, tree = random.Random(seed), plan.open(budget)
    rollouts: list[Rollout] = []
    scores: list[Score] = []
    while (leaf := tree.advance()) is not None:
        tried = [coin(draw, leaf.prefix) for _ in range(plan.actions)]
        said = [
            UNJUDGED if draw.random() < 0.1 else Score(float(each.tokens[0] == 0 or draw.random() < 0.3))
            for each in tried
        ]
        tree.expand(tried, [verdict(score) for score in said])
        rollouts += tried
        scores += said
    return tree, rollouts, scores


def test_a_search_by_hand() -> None:
    plan = TreeSearch(actions=2, depth=2, iterations=5, exploration=0.0, discount=0.5)
    tree = plan.open(8)
    assert tree.advance() is tree.root
    tree.expand([written((1, 5, 5)), written((2, 5, 5))], [1.0, 0.0])
    # The first step of each is a child: Q 1 and 0, V of the start their mean.
    first, second = tree.root.children
    assert [(each.prefix, each.begin, each.row, each.value, each.visits) for each in (first, second)] == [
        ((1,), 0, 0, 1.0, 0),
        ((2,), 0, 1, 0.0, 0),
    ]
    assert (tree.root.state_value, tree.root.visits) == (0.5, 1)
    # Without exploration the better one is expanded; below it 0 and 0: r = -1, so V = -1 and Q = 1 - 1/2 = 1/2.
    assert tree.advance() is first
    tree.expand([written((1, 3)), written((1, 4, 5))], [0.0, 0.0])
    assert (first.state_value, first.value, first.visits) == (-1.0, 0.5, 1)
    assert [(each.terminal, each.value) for each in first.children] == [(True, -1.0), (False, -1.0)]
    assert tree.root.state_value == pytest.approx(0.25)  # (1 * 1/2 + 1 * 0) / 2
    # The other three iterations go through (1,), whose children are an end and as deep as the search looks.
    assert tree.advance() is None
    assert (tree.root.visits, first.visits, second.visits) == (5, 4, 0)
    assert tree.root.state_value == pytest.approx(0.4)  # (4 * 1/2 + 1 * 0) / 5


def test_equal_steps_are_one_child_and_what_was_not_judged_is_none() -> None:
    plan = TreeSearch(actions=3, self_evaluation=0.5)
    tree = plan.open(3)
    tree.advance()
    tree.expand([written((1, 5)), written((1, 6)), written((2, 5))], [1.0, 0.0, math.nan])
    (child,) = tree.root.children
    assert (child.prefix, child.row, child.terminal) == ((1,), 0, False)
    assert child.estimate == pytest.approx(0.5 * 0.5 + 0.5 * math.exp(-0.5))
    assert child.confidence == pytest.approx(math.exp(-0.5))


@pytest.mark.parametrize("unknown", [math.nan, -math.inf])
def test_a_sampler_that_cannot_tell_leaves_the_verdict(unknown: float) -> None:
    tree = TreeSearch(self_evaluation=1.0).open(2)
    tree.advance()
    tree.expand([written((1, 5), logprob=unknown), written((2, 5))], [1.0, 0.0])
    assert tree.root.children[0].estimate == 1.0
    assert tree.root.children[0].prior == 1.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("plan", [TreeSearch(), TreeSearch(actions=3, depth=4, self_evaluation=0.4, discount=0.9)])
def test_invariants(plan: TreeSearch, seed: int) -> None:
    tree, rollouts, _ = grown(plan, 24, seed)
    assert tree.root.visits == plan.iterations
    assert len(rollouts) <= 24
    assert len(rollouts) % plan.actions == 0
    for node in nodes(tree.root):
        assert node.depth <= plan.depth
        if node.children:
            assert node.visits >= sum(child.visits for child in node.children)
            values = [child.value for child in node.children]
            assert min(values) - 1e-12 <= node.state_value <= max(values) + 1e-12
    assert all(best.value > worst.value for best, worst in pairs(tree.root))


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_is_grown_again_from_responses_and_verdicts(seed: int) -> None:
    plan = TreeSearch(self_evaluation=0.3, depth=4)
    tree, rollouts, scores = grown(plan, 30, seed)
    # Rewards change values and keep the verdict, as they must.
    learned = [Score(7.0, {"correct": score.value}) if score.judged else score for score in scores]
    assert plan.replay(rollouts, learned) == tree.root


def test_another_verdict_gives_no_tree() -> None:
    """Turned round, the verdicts send the search elsewhere: the second pair of responses does not begin there."""
    plan, right, wrong = TreeSearch(exploration=0.0), Score(1.0), Score(0.0)
    rollouts = [written((1, 5, 5)), written((2, 5, 5)), written((1, 3, 5)), written((1, 4, 5))]
    assert plan.replay(rollouts, [right, wrong, wrong, wrong]) is not None
    assert plan.replay(rollouts, [wrong, right, wrong, wrong]) is None


def test_a_search_prefers_what_paid() -> None:
    """The first step 0 is right; the search visits it more often than a fair share, and exploration less so."""
    shares = []
    for exploration in (0.3, 30.0):
        visits: dict[int, int] = {0: 0, 1: 0, 2: 0}
        for seed in range(12):
            tree, _, _ = grown(TreeSearch(actions=3, exploration=exploration), 30, seed)
            for child in tree.root.children:
                visits[child.prefix[0]] += child.visits
        shares.append(visits[0] / sum(visits.values()))
    assert shares[0] > 0.6 > shares[1]


@pytest.mark.parametrize(
    "wrong", [{"actions": 1}, {"depth": 0}, {"iterations": 0}, {"exploration": -1.0}, {"discount": 1.5}]
)
def test_wrong_settings_are_sentences(wrong: dict[str, float]) -> None:
    with pytest.raises(ForageError, match=r"search over steps|discount"):
        TreeSearch(**wrong)  # pyright: ignore[reportArgumentType]


def test_a_budget_below_one_expansion_is_a_sentence() -> None:
    with pytest.raises(ForageError, match="Raise `group_size`"):
        TreeSearch(actions=4).open(3)
