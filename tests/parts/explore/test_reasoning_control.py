"""Chains controlled by their uncertainty: an exact budget, the places that are meant, soft stops, and the placebo."""

from collections import Counter
from collections.abc import Sequence

import pytest

from forage.core.errors import ForageError
from forage.core.records import Rollout, SamplingParams
from forage.parts.explore.plain import PlainSampling
from forage.parts.explore.reasoning_control import ReasoningControl
from parts.explore.test_forks import STARTS, Answers, Uneven, explore
from support.coins import Coins

SURE = ReasoningControl(epsilon=0.0)


class Pairs(Answers):
    """Every two tokens are a step."""

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return (*range(2, len(pieces), 2), len(pieces))


# Four steps of two tokens. Mean entropy and variance: (1, 0), (.5, .25), (1.5, .25), (2, 4).
# Step 2 is surer and less even: branch. Step 3 is no less even: deepen. Step 4 is the end.
BRANCHES = (1.0, 1.0, 0.0, 1.0, 1.0, 2.0, 0.0, 4.0)
# (.5, 0), (1, 1): stop. Then (.5, 2.25): branch. Five steps of two tokens, two more that branch: the variance rises.
STOPS = (0.5, 0.5, 0.0, 2.0, -1.0, 2.0, -2.0, 2.0, -3.0, 2.0, 0.0, 0.0)


def grown(part: ReasoningControl, coins: Coins, *, seed: int = 0, size: int = 8) -> list[Rollout]:
    params = SamplingParams(max_tokens=12)
    ((_, rollouts),) = part(STARTS[:1], Pairs(), coins.tools, group_size=size, params=params, seed=seed)
    return list(rollouts)


def begun(coins: Coins) -> list[int]:
    """How many tokens every request after the first was given beside the prompt."""
    return [len(one.tokens) - 1 for one in coins.asked[1:]]


@pytest.mark.parametrize("part", [ReasoningControl(), ReasoningControl(control="random"), ReasoningControl(roots=0.01)])
@pytest.mark.parametrize("size", [1, 2, 5, 17])
def test_the_budget_is_exact_and_siblings_are_whole(part: ReasoningControl, size: int) -> None:
    for seed in range(3):
        for start, rollouts in zip(STARTS, explore(part, Uneven(), seed=seed, size=size), strict=True):
            assert len(rollouts) == (start.group_size or size)
            for rollout in rollouts:
                assert rollout.start == start
                assert len(rollout.tokens) == 8 - len(start.prefix)
                assert rollout.logprobs == Uneven.logprobs[len(start.prefix) :]
    assert explore(part, Uneven()) == explore(part, Uneven())
    assert explore(part, Uneven(), seed=1) != explore(part, Uneven())


def test_the_same_seed_is_controlled_alike_in_any_company() -> None:
    alone, among = explore(ReasoningControl(), Uneven(), starts=STARTS[:1])[0], explore(ReasoningControl(), Uneven())[0]
    assert alone == among
    plain = explore(PlainSampling(), Uneven(), starts=STARTS[:1])[0]
    assert alone[:2] == plain[:2], "chains begin as plain sampling does"


def test_chains_branch_where_a_step_is_surer_but_less_even() -> None:
    coins = Uneven(entropies=BRANCHES)
    rollouts = grown(SURE, coins)
    # Two roots branch behind their second step; what branches there shares it and finds no other place: roots again.
    assert begun(coins) == [4, 4, 0, 0, 4, 4]
    assert [rollout.tokens[:4] for rollout in rollouts[2:4]] == [rollout.tokens[:4] for rollout in rollouts[:2]]


def test_the_uncertainty_of_chosen_tokens_decides_where_that_is_wanted() -> None:
    coins = Uneven(entropies=BRANCHES, logprobs=(-1.0,) * 8)
    grown(ReasoningControl(epsilon=0.0, uncertainty="chosen"), coins)
    assert set(begun(coins)) == {0}, "equal scores never change"


@pytest.mark.parametrize(("patience", "places"), [(0, []), (1, [6]), (2, [6, 8]), (9, [6, 8])])
def test_a_stop_is_soft(patience: int, places: list[int]) -> None:
    """The second step says stop; the third and the fourth would branch."""
    coins = Uneven(length=12, entropies=STOPS, logprobs=(-0.5,) * 12)
    grown(ReasoningControl(epsilon=0.0, patience=patience, roots=0.01), coins, size=1 + max(len(places), 1))
    assert sorted(begun(coins)) == (places or [0])


@pytest.mark.parametrize("told", [False, True])
def test_nothing_branches_behind_the_answer(told: bool) -> None:
    for seed in range(5):
        coins = Uneven(heads=0.4)
        explore(ReasoningControl(epsilon=1.0), coins, size=20, told=told, starts=STARTS[:1], seed=seed)
        if told:
            assert all(1 not in one.tokens[1:] for one in coins.asked[1:])
        else:
            assert any(1 in one.tokens[1:] for one in coins.asked[1:])


def test_noise_branches_elsewhere_too() -> None:
    places: Counter[int] = Counter()
    for seed in range(40):
        coins = Uneven(entropies=BRANCHES)
        grown(ReasoningControl(epsilon=0.5), coins, seed=seed)
        places.update(begun(coins))
    assert places[4] > places[6] > 0


def test_the_control_deals_the_same_actions_to_other_steps() -> None:
    """Of the two steps of a root that may branch, one does: behind the second or the third by chance."""
    places: Counter[int] = Counter()
    for seed in range(60):
        real, control = Uneven(entropies=BRANCHES), Uneven(entropies=BRANCHES)
        grown(SURE, real, seed=seed, size=4)
        grown(ReasoningControl(epsilon=0.0, control="random", roots=0.5), control, seed=seed, size=4)
        assert begun(real) == [4, 0, 4] if real.asked[0].group_size == 1 else [4, 4]
        places.update(begun(control))
    assert places[0] == 0
    assert places[4] + places[6] == 120
    assert 35 < places[6] < 85


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"roots": 0.0}, "share of roots"),
        ({"patience": -1}, "share of roots"),
        ({"epsilon": 2.0}, "taken at random"),
        ({"uncertainty": "all"}, "chosen tokens"),
        ({"control": "none"}, "chosen tokens"),
    ],
)
def test_wrong_settings_are_sentences(wrong: dict[str, float | str], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        ReasoningControl(**wrong)  # pyright: ignore[reportArgumentType]
