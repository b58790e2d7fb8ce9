"""Rewards for steps on scores: what StepGRPO pays, and to whom its placebo pays it."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Problem, Rollout, Score, Start
from forage.methods import apply, grpo, step_grpo, step_grpo_shuffled
from forage.parts.rewards import StepReward
from forage.tasks.countdown import Countdown
from forage.training.recipe import Recipe
from support.builders import rollout
from support.worlds import EASY

TASK = Countdown(size="demo")
PROBLEM = Problem(id="mine", prompt="use 6 4 and 8 to make 16", answer="16", task="countdown")
OTHER_WAY = "try 6 * 4 = 24 8 try 24 - 8 = 16 so"


def said(text: str, version: int = 0) -> Rollout:
    return replace(rollout(Start(PROBLEM), [5, 6]), text=text, version=version)


def judged(reward: StepReward, text: str) -> Score:
    (found,) = reward([said(text)], [TASK.verify(PROBLEM, text)])
    return found


def test_the_reference_pays_itself_in_full_and_other_texts_by_what_they_share() -> None:
    solution = TASK.reference(PROBLEM)
    assert solution.endswith("yes so")
    reward = StepReward(task=TASK, sections=("check", "so"), numbered=False)
    steps = reward.steps_of(PROBLEM)
    assert len(steps) == 2
    best = judged(reward, solution)
    assert best.value == pytest.approx(2.1)
    assert (best.parts["matched_steps"], best.parts["steps_in_order"], best.correct) == (1, 1, True)
    half = judged(reward, f"try {steps[0][0]} so")
    assert not half.correct
    assert half.parts["step_reward"] == pytest.approx(0.1 * half.parts["matched_steps"])


def test_nothing_is_paid_for_key_steps_without_an_answer_but_in_the_released_form() -> None:
    steps = StepReward(task=TASK, validity=0).steps_of(PROBLEM)
    text = f"try {steps[0][0]}"
    for unanswered, added in ((False, 0.0), (True, 0.05)):
        found = judged(StepReward(task=TASK, validity=0, unanswered=unanswered), text)
        assert found.parts["step_reward"] == pytest.approx(added, abs=1e-9)
        assert found.value == found.parts["step_reward"]


def test_a_wrong_response_can_outrank_a_right_one_only_above_the_stated_weights() -> None:
    steps = StepReward(task=TASK, validity=0).steps_of(PROBLEM)
    wrong = " ".join(form for step in steps for form in step) + " check 1 2 yes so"
    right = "try 8 - 6 = 2 4 try 4 - 2 = 2 wait " + TASK.reference(PROBLEM).replace("check 16 16 yes ", "")
    for alpha, validity, outranked in ((0.1, 1.0, True), (0.1, 0.8, False)):
        bare = StepReward(task=TASK, alpha=alpha, validity=validity, sections=("check", "so"), numbered=False)
        first, second = judged(bare, wrong), judged(bare, right)
        assert (first.correct, second.correct) == (False, True)
        assert (first.parts["steps_in_order"], second.parts["steps_in_order"]) == (1, 0)
        unpaid = second.value - alpha * second.parts["matched_steps"]
        assert (first.value > unpaid) == outranked


def test_what_was_added_before_stays_and_what_is_not_judged_too() -> None:
    reward = StepReward(task=TASK, validity=0)
    text = TASK.reference(PROBLEM)
    first, second = reward([said(text), said(text)], [replace(TASK.verify(PROBLEM, text), value=0.4), UNJUDGED])
    assert first.value == pytest.approx(0.5)
    assert first.correct
    assert math.isnan(second.value)
    assert not second.parts


def test_a_file_names_the_key_steps(tmp_path: Path) -> None:
    file = tmp_path / "steps.jsonl"
    rows = [{"prompt": PROBLEM.prompt, "key_steps": [["6*4=24", "24"], "never"]}]
    file.write_text("\n".join(map(json.dumps, rows)))
    reward = StepReward(task=TASK, key_steps=str(file), validity=0)
    assert judged(reward, OTHER_WAY).parts["matched_steps"] == 0.5
    assert reward.steps_of(replace(PROBLEM, prompt="use 1 2 and 3 to make 10")) == ()


def test_the_placebo_pays_as_much_to_other_siblings_of_the_same_verdict() -> None:
    solution = TASK.reference(PROBLEM)
    steps = StepReward(task=TASK, validity=0).steps_of(PROBLEM)
    texts = [solution, solution.replace("check 16 16 yes ", ""), "so", f"try {steps[0][0]} so", "check so", "back"]
    scores = [TASK.verify(PROBLEM, text) for text in texts]
    assert [score.correct for score in scores] == [True, True, False, False, False, False]
    real = StepReward(task=TASK, sections=("check", "so"), numbered=False)
    paid = [score.parts["step_reward"] for score in real([said(text) for text in texts], scores)]
    lots = set()
    for version in range(12):
        told = [said(text, version) for text in texts]
        dealt = [each.parts["step_reward"] for each in replace(real, permuted=True)(told, scores)]
        for side in (slice(0, 2), slice(2, 6)):
            assert Counter(dealt[side]) == Counter(paid[side])
        lots.add(tuple(dealt))
    assert len(lots) > 3


def test_the_method_says_what_it_needs(tmp_path: Path) -> None:
    recipe = Recipe(name="toy", model="none", task=TASK)
    made = apply(recipe, [grpo(), step_grpo(sections="check+so", numbered=False)])
    assert made.rewards == (StepReward(task=TASK, sections=("check", "so"), numbered=False),)
    made = apply(recipe, [grpo(), step_grpo_shuffled(alpha=0.2)])
    assert made.rewards == (StepReward(task=TASK, alpha=0.2, permuted=True),)
    with pytest.raises(ForageError, match="knows no right responses"):
        apply(replace(recipe, task=EASY), [grpo(), step_grpo()])
    with pytest.raises(ForageError, match="cannot be read"):
        apply(recipe, [grpo(), step_grpo(key_steps=str(tmp_path / "none.jsonl"))])
    with pytest.raises(ForageError, match="sections or the numbers"):
        apply(recipe, [grpo(), step_grpo(numbered=False)])
    with pytest.raises(ForageError, match="0 or more"):
        apply(recipe, [grpo(), step_grpo(alpha=-1)])
