"""What is new next to everything that was tried: a bonus written on the scores of a step (arXiv 2505.17621)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig
from forage.core.records import Group, Problem, Rollout, Start
from forage.core.seeds import derive_seed
from forage.core.spans import own
from forage.ops.novelty import check_novelty, novelty_bonus
from forage.parts.memory.outcomes import require_verdicts
from forage.parts.memory.random_network import RandomNetwork
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class Novelty(MemoryConfig):
    """Fresh problems only, as `ShuffledProblems` draws them, and a predictor that gets used to what was tried.

    Before a step's responses are learned from, `Score.parts` of each get its error, `novelty`, and `novelty_bonus`
    (`ops.novelty.novelty_bonus`); values stay what they are. Only tokens that the policy chose count, no prompt and no
    padding. With `permuted` the errors of a step are dealt anew among its wrong responses, which is the control.
    """

    height: float = 0.5
    decay: float = 40.0
    lr: float = 1e-3
    permuted: bool = False

    def __post_init__(self) -> None:
        check_novelty(self.height, self.decay)
        if not self.lr > 0:
            raise ForageError(f"The predictor learns at a rate above 0, not {self.lr}.")

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _Novelty(self, problems, seed=seed)


class _Novelty(Memory):
    def __init__(self, config: Novelty, problems: Sequence[Problem], *, seed: int) -> None:
        self._config, self._seed = config, seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._network = RandomNetwork(seed=seed, lr=config.lr)

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        return self._fresh.draw(count, step=step)

    def marked(self, groups: Sequence[Group], *, step: int) -> tuple[Group, ...]:
        """Raises ForageError where rewards are graded: nothing then says which responses are wrong."""
        require_verdicts(groups, what="i_mentor")
        scores = [score for group in groups for score in group.scores]
        judged = torch.tensor([score.judged for score in scores])
        right = torch.tensor([score.correct for score in scores])
        error = self._network.errors(_tokens(groups)).double().masked_fill(~judged, torch.nan)
        if self._config.permuted:
            error = self._dealt(error, ~right & judged, step)
        bonus = novelty_bonus(error, right, step - 1, height=self._config.height, decay=self._config.decay)
        pairs = iter(zip(error.tolist(), bonus.tolist(), strict=True))
        return tuple(_with_parts(group, [next(pairs) for _ in group.scores]) for group in groups)

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._network.learn(_tokens(groups))
        self._fresh.record(groups, step=step)

    def state(self) -> dict[str, Any]:
        return {"fresh": self._fresh.state(), "network": self._network.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._network.restore(state["network"])

    def _dealt(self, error: Tensor, wrong: Tensor, step: int) -> Tensor:
        draw = torch.Generator().manual_seed(derive_seed(self._seed, "novelty placebo", step))
        places = wrong.nonzero()[:, 0]
        dealt = error.clone()
        dealt[places] = error[places[torch.randperm(len(places), generator=draw)]]
        return dealt


def _tokens(groups: Sequence[Group]) -> list[tuple[int, ...]]:
    rollouts: list[Rollout] = [rollout for group in groups for rollout in group.rollouts]
    return [own(rollout.tokens, rollout.given) for rollout in rollouts]


def _with_parts(group: Group, pairs: Sequence[tuple[float, float]]) -> Group:
    scores = tuple(
        replace(score, parts={**score.parts, "novelty": error, "novelty_bonus": bonus}) if score.judged else score
        for score, (error, bonus) in zip(group.scores, pairs, strict=True)
    )
    return replace(group, scores=scores)
