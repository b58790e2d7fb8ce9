"""Plain sampling: independent siblings, whose prefix is part of the response."""

from forage.core.records import Rollout, SamplingParams, Start
from forage.parts.explore.plain import PlainSampling
from parts.explore.test_branching_at_steps import Flips
from support.builders import problem
from support.coins import Coins

STARTS = [Start(problem("a")), Start(problem("b"), (1,))]


def explore(starts: list[Start], *, seed: int = 0, group_size: int = 12) -> dict[int, tuple[Rollout, ...]]:
    params = SamplingParams(max_tokens=4)
    return dict(PlainSampling()(starts, Flips(), Coins().tools, group_size=group_size, params=params, seed=seed))


def test_a_prefix_takes_its_share_of_the_limit_and_stands_in_the_text() -> None:
    rollouts = explore(STARTS)
    assert set(rollouts) == {0, 1}
    for order, start in enumerate(STARTS):
        assert len(rollouts[order]) == 12
        for rollout in rollouts[order]:
            assert rollout.start == start
            assert len(rollout.tokens) == len(rollout.logprobs) == 4 - len(start.prefix)
            assert rollout.text == "".join(map(str, start.prefix + rollout.tokens))
            assert rollout.step_ends == tuple(range(1, len(rollout.tokens) + 1))


def test_siblings_differ_and_depend_on_the_seed_and_the_start_alone() -> None:
    tokens = [rollout.tokens for rollout in explore(STARTS)[0]]
    assert len(set(tokens)) > 1
    assert [rollout.tokens for rollout in explore(STARTS[:1])[0]] == tokens, "another start changes nothing"
    assert [rollout.tokens for rollout in explore(STARTS, seed=1)[0]] != tokens
