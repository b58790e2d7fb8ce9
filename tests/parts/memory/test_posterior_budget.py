"""A budget by posterior: the total never changes, what is known is what was seen, and a state resumes."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory
from forage.core.records import UNJUDGED, Group, SamplingParams, Score, Start
from forage.ops.rollout_budget import rollout_budget
from forage.parts.memory.posterior_budget import PosteriorBudget
from support.builders import problem, rollout
from support.coins import Coins

PROBLEMS = [problem(name) for name in ("always", "never", "half", "often")]
RATE = {"always": 1.0, "never": 0.0, "half": 0.5, "often": 0.75}


def answered(starts: Sequence[Start], size: int = 8) -> list[Group]:
    """The n-th sibling is right where n is below the problem's rate; the last one was not judged."""
    groups = []
    for start in starts:
        many = start.group_size or size
        scores = [Score(float(n < RATE[start.problem.id] * (many - 1))) for n in range(many - 1)]
        groups.append(Group(start, tuple(rollout(start, (1,)) for _ in range(many)), (*scores, UNJUDGED)))
    return groups


def go(memory: Memory, steps: range) -> list[dict[str, int]]:
    sizes = []
    for step in steps:
        starts = memory.draw(4, step=step)
        sizes.append({start.problem.id: start.group_size for start in starts})
        memory.record(answered(starts), step=step)
    return sizes


def config(**settings: Any) -> PosteriorBudget:
    return PosteriorBudget(**{"group_size": 8, "low": 3, **settings})


@pytest.mark.parametrize("deal", ["teaching", "random"])
def test_every_step_spends_exactly_the_same(deal: str) -> None:
    for sizes in go(config(deal=deal).open(PROBLEMS, seed=0), range(1, 30)):
        assert sum(sizes.values()) == 32
        assert min(sizes.values()) >= 3


def test_it_begins_even_and_learns_where_groups_divide() -> None:
    sizes = go(config(keep=1.0).open(PROBLEMS, seed=0), range(1, 10))
    assert set(sizes[0].values()) == {8}
    last = sizes[-1]
    # A problem of one half divides a group of seven already; at three quarters more siblings still help.
    assert last["often"] > 8 > last["half"] >= last["never"]
    assert last["half"] + last["often"] > last["always"] + last["never"]
    hard = go(config(keep=1.0, k=16).open(PROBLEMS, seed=0), range(1, 4))[-1]
    assert hard["never"] > hard["half"] >= hard["always"], "the slope of pass@16 is largest where little succeeds"


def test_a_visit_leaves_a_share_of_what_was_known() -> None:
    memory = config(keep=0.5).open(PROBLEMS[:1], seed=0)
    memory.record(answered([Start(PROBLEMS[0], group_size=5)]), step=1)  # 4 right
    memory.record(answered([Start(PROBLEMS[0], group_size=3)]), step=2)  # 2 right
    assert memory.state()["counts"] == {"always": [0.5 * 4 + 2, 0.0]}


def test_the_control_deals_the_same_sizes_to_others() -> None:
    memory = config(keep=1.0, deal="random").open(PROBLEMS, seed=0)
    go(memory, range(1, 10))
    differs = 0
    for step in range(10, 30):
        counts = memory.state()["counts"]
        starts = memory.draw(4, step=step)
        posteriors = [(right + 1, wrong + 1) for right, wrong in (counts[start.problem.id] for start in starts)]
        wanted = rollout_budget(posteriors, total=32, low=3)
        assert Counter(start.group_size for start in starts) == Counter(wanted)
        differs += [start.group_size for start in starts] != wanted
    assert differs > 5


def test_state_restores_everything() -> None:
    for deal in ("teaching", "random"):
        whole, part, again = (config(deal=deal).open(PROBLEMS, seed=1) for _ in range(3))
        expected = go(whole, range(1, 13))
        go(part, range(1, 7))
        again.restore(json.loads(json.dumps(part.state())))
        assert go(again, range(7, 13)) == expected[6:]


def test_what_it_says_of_a_step() -> None:
    memory = config().open(PROBLEMS, seed=0)
    groups = answered([Start(PROBLEMS[0], group_size=3), Start(PROBLEMS[1], group_size=13)])
    said = memory.observe(groups, None, Coins().tools, SamplingParams(), step=1, seed=0)  # pyright: ignore[reportArgumentType]
    assert said == {"group_size_min": 3, "group_size_max": 13, "posterior_mean": 0.5}
    graded = [Group(group.start, group.rollouts, (Score(0.3, graded=True),) * 3) for group in groups[:1]]
    with pytest.raises(ForageError, match="verdict"):
        memory.observe(graded, None, Coins().tools, SamplingParams(), step=1, seed=0)  # pyright: ignore[reportArgumentType]


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"low": 9}, {"low": 0}, {"k": 0}, {"keep": 2.0}):
        with pytest.raises(ForageError, match="budget"):
            config(**wrong)
    with pytest.raises(ForageError, match="dealt"):
        config(deal="even")
