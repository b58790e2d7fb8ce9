"""The two stages on responses: what they pay, what they leave alone, and whom the method refuses."""

from dataclasses import replace

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Rollout, Score, Start
from forage.core.turns import environment_of
from forage.methods import apply, grpo, r1_searcher, r1_searcher_shuffled
from forage.parts.rewards.search_stages import SearchAnswers, SearchCalls, SearchStage
from forage.recipes import lookup
from forage.tasks.search import SearchEnvironment
from forage.tasks.with_environment import WithEnvironment
from support.builders import problem, rollout
from support.worlds import EASY

SEARCH = "<|begin_of_query|> a <|end_of_query|>\n<|begin_of_documents|>\n(1) b\n<|end_of_documents|>\n"
TEXTS = (
    f"<think> {SEARCH} </think> <answer> b </answer>",
    "<think> </think> <answer> c </answer>",
    f"<think> {SEARCH} {SEARCH} b",
    "b",
)
VERDICTS = (Score(0.8, {"correct": 0.0}), Score(0.0, {"correct": 0.0}), Score(1.0, {"correct": 1.0}), UNJUDGED)


def judged(stage: SearchStage) -> tuple[Score, ...]:
    start = Start(problem())
    rollouts: list[Rollout] = [replace(rollout(start, (5, 6)), text=text) for text in TEXTS]
    return stage(rollouts, VERDICTS)


def test_the_first_stage_pays_for_searching_and_form_whatever_the_answer() -> None:
    scores = judged(SearchCalls())
    assert [score.value for score in scores[:3]] == [1.0, 0.5, 0.5]
    assert scores[3] is UNJUDGED
    assert [(score.parts["searches"], score.parts["well_formed"]) for score in scores[:3]] == [(1, 1), (0, 1), (2, 0)]
    assert [score.correct for score in scores[:3]] == [False, False, True], "what is right stays known"
    assert all(score.graded for score in scores[:3]), "and nothing learns from it"


def test_the_second_stage_pays_for_the_answer_less_the_penalty() -> None:
    scores = judged(SearchAnswers())
    assert [score.value for score in scores[:3]] == [0.8, 0.0, -1.0]
    assert scores[3] is UNJUDGED
    assert [score.parts["search_reward"] for score in scores[:3]] == [0, 0, -2]
    assert not any(score.graded for score in scores)


def test_a_stage_changes_only_the_reward() -> None:
    bare = replace(lookup(model="none"), rewards=(), methods=())
    first, second = (apply(bare, [grpo(), r1_searcher(stage=stage)]) for stage in (1, 2))
    assert (first.rewards, second.rewards) == ((SearchCalls(),), (SearchAnswers(),))
    assert replace(first, rewards=(), methods=()) == replace(second, rewards=(), methods=())
    with pytest.raises(ForageError, match="stages 1 and 2"):
        apply(bare, [grpo(), r1_searcher(stage=3)])


def test_the_control_searches_elsewhere_and_nothing_else() -> None:
    bare = replace(lookup(model="none"), rewards=(), methods=())
    real, control = (apply(bare, [grpo(), method(stage=2)]) for method in (r1_searcher, r1_searcher_shuffled))
    assert isinstance(control.task, WithEnvironment)
    assert replace(control, task=control.task.task, methods=()) == replace(real, methods=())
    environment = environment_of(control.task)
    assert isinstance(environment, SearchEnvironment)
    assert environment == replace(environment_of(real.task), shuffled=True)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_task_in_which_nobody_searches_is_refused() -> None:
    with pytest.raises(ForageError, match="Try lookup"):
        apply(replace(lookup(model="none"), task=EASY, methods=(), rewards=()), [grpo(), r1_searcher()])
