import math

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Completion, Group, Message, Origin, Problem, SamplingParams, Score, Start
from forage.core.seeds import derive_seed
from support.builders import group, problem, rollout


def test_a_question_is_one_text() -> None:
    assert problem(prompt="how many?").question == "how many?"
    chat = Problem("c", (Message("system", "be brief"), Message("user", "how many?")), "3", "toy")
    assert chat.question == "be brief\nhow many?"


def test_another_value_leaves_the_verdict() -> None:
    for before in (Score(1.0), Score(1.0, {"correct": 1.0, "commit": 0.0})):
        after = before.reweighted(0.25, "bonus")
        assert (after.value, after.correct, after.parts["bonus"]) == (0.25, True, -0.75)
        assert before.parts.items() <= after.parts.items()
    assert UNJUDGED.reweighted(1.0, "bonus") is UNJUDGED


def test_a_group_is_checked_at_birth() -> None:
    start, other = Start(problem("a")), Start(problem("b"))
    member = rollout(start, (1, 2))
    with pytest.raises(ValueError, match="empty"):
        Group(start, (), ())
    with pytest.raises(ValueError, match="1 rollouts and 2 scores"):
        Group(start, (member,), (Score(1.0), Score(0.0)))
    with pytest.raises(ValueError, match="mixes starts"):
        Group(other, (member,), (Score(1.0),))
    with pytest.raises(ValueError, match="2 step scores for 1 steps"):
        Group(start, (member,), (Score(1.0, steps=(0.1, 0.2)),))


def test_a_group_varies_when_two_judged_siblings_differ() -> None:
    assert group([1.0, 0.0]).varies
    assert not group([1.0, 1.0]).varies
    assert not group([1.0, math.nan]).varies
    assert not group([math.nan, math.nan]).varies


@pytest.mark.parametrize("ends", [(), (1,), (2, 1), (0, 2), (1, 3)])
def test_steps_partition_a_rollout(ends: tuple[int, ...]) -> None:
    good = rollout(Start(problem()), (1, 2))
    with pytest.raises(ValueError, match="partition"):
        type(good)(good.start, good.tokens, good.logprobs, good.entropies, good.text, ends, good.stop, 0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="must be equal"):
        Completion((1, 2), (0.0,), (0.0, 0.0), "eos")


def test_a_start_is_keyed_by_problem_and_prefix_only() -> None:
    start = Start(problem("a"), (1, 23))
    assert start.key == Start(problem("a"), (1, 23), Origin.REPLAY).key
    assert start.key != Start(problem("a"), (12, 3)).key
    assert start.key != Start(problem("b"), (1, 23)).key


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_k": -1}, {"max_tokens": 0}]
)
def test_sampling_parameters_are_refused_with_a_sentence(wrong: dict[str, float]) -> None:
    with pytest.raises(ForageError, match=next(iter(wrong))):
        SamplingParams(**wrong)  # pyright: ignore[reportArgumentType]  (that is the point)


def test_derived_seeds_separate_their_parts() -> None:
    assert derive_seed(1, "a") == derive_seed(1, "a")
    seeds = {derive_seed(*parts) for parts in [(1, 23), (12, 3), ("1", 23), (1, "23"), (1, 2, 3), ("1;", 3)]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_group_is_divided_by_correctness_and_not_by_what_rewards_add() -> None:
    def divided(*scores: Score) -> bool:
        one = group([0.0] * len(scores))
        return Group(one.start, one.rollouts, scores).divided

    wrong, long, right = (Score(v, {"correct": c}) for v, c in ((0.0, 0.0), (-0.7, 0.0), (1.0, 1.0)))
    assert divided(wrong, right)
    assert not divided(wrong, long)
    assert not divided(right, Score(0.3, {"correct": 1.0}))
    assert not divided(right, UNJUDGED)
    assert divided(Score(0.2, {"correct": 0.0}, graded=True), Score(0.3, {"correct": 0.0}, graded=True))
    assert not divided(Score(0.2, {"correct": 0.0}, graded=True), Score(0.2, {"correct": 1.0}, graded=True))
