"""Rewards for key steps and for steps in order, beside the verdict (StepGRPO, arXiv 2503.12937), and their placebo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from forage.core.answered import answered
from forage.core.errors import ForageError
from forage.core.mode_keys import permuted
from forage.core.protocols import Reward, Task
from forage.core.records import Problem, Rollout, Score
from forage.grams.key_steps import KeyStep, equation_steps, matched_share, read_key_steps, steps_in_order
from forage.ops.verdict_rewards import check_step_reward, step_reward

REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True)
class StepReward(Reward):
    """Adds `alpha` times the share of the key steps that a response mentions, and `validity` where it is well formed.

    `key_steps` is a file of `read_key_steps`, or "reference": the calculations in the task's own right response.
    Without an answer nothing is paid for key steps, unless `unanswered` (as in the released code). A response is well
    formed where `steps_in_order` says so of `sections` and `numbered`. `permuted` is the placebo: what is added to the
    siblings is dealt anew among the right ones, and among the wrong ones. `Score.parts` holds the share as
    `matched_steps`, the form as `steps_in_order`, and what was added as `step_reward`.
    """

    task: Task
    key_steps: str = REFERENCE
    alpha: float = 0.1
    validity: float = 1.0
    sections: tuple[str, ...] = ()
    numbered: bool = True
    unanswered: bool = False
    permuted: bool = False

    def __post_init__(self) -> None:
        check_step_reward(self.alpha, self.validity)
        if self.validity and not self.sections and not self.numbered:
            raise ForageError(
                "A response is well formed by its sections or the numbers of its steps: give one, or validity=0."
            )

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        seen = [self._look(rollout, score) for rollout, score in zip(rollouts, scores, strict=True)]
        if self.permuted:
            seen = permuted(seen, rollouts, scores)
        return tuple(self._add(score, payment) for score, payment in zip(scores, seen, strict=True))

    def steps_of(self, problem: Problem) -> tuple[KeyStep, ...]:
        """The key steps of a problem; none where nobody named any."""
        if self.key_steps == REFERENCE:
            if problem.id not in self._references:
                self._references[problem.id] = equation_steps(self.task.reference(problem) or "")
            return self._references[problem.id]
        prompt = problem.prompt if isinstance(problem.prompt, str) else problem.prompt[-1].content
        return self._listed.get(problem.id) or self._listed.get(prompt, ())

    def _look(self, rollout: Rollout, score: Score) -> tuple[float, float, float] | None:
        """(what is added, share of the key steps, whether the form is right), None where there is no verdict."""
        if not score.judged:
            return None
        problem, text = rollout.start.problem, rollout.text
        share = matched_share(text, self.steps_of(problem))
        valid = bool(self.validity) and steps_in_order(text, self.sections, numbered=self.numbered)
        paid = self.unanswered or score.correct or answered(self.task, problem, text, score)
        added = step_reward(share if paid else 0.0, valid, alpha=self.alpha, validity=self.validity)
        return added, share, float(valid)

    def _add(self, score: Score, payment: tuple[float, float, float] | None) -> Score:
        if payment is None:
            return score
        added, share, valid = payment
        rewarded = score.reweighted(score.value + added, "step_reward")
        return replace(rewarded, parts={**rewarded.parts, "matched_steps": share, "steps_in_order": valid})

    @cached_property
    def _references(self) -> dict[str, tuple[KeyStep, ...]]:
        return {}

    @cached_property
    def _listed(self) -> dict[str, tuple[KeyStep, ...]]:
        return read_key_steps(Path(self.key_steps))
