"""Surrogates: how the advantage of a token becomes a loss. The formulas are those of `forage.ops.surrogates`."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Surrogate
from forage.ops.surrogates import check_bounds, cispo, gspo, ppo_clip, reinforce


@dataclass(frozen=True, kw_only=True)
class Reinforce(Surrogate):
    """The plain policy gradient (Williams 1992). Nothing is clipped; the version of the sampler is ignored."""

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return reinforce(logprob, behaviour, advantage, loss_mask)


@dataclass(frozen=True, kw_only=True)
class PPOClip(Surrogate):
    """The clipped ratio of each token (arXiv 1707.06347); `high` above `low` is clip-higher (DAPO, 2503.14476)."""

    low: float = 0.2
    high: float = 0.2

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return ppo_clip(logprob, behaviour, advantage, loss_mask, low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True)
class GSPO(Surrogate):
    """Clipping by one length-normalized ratio per sequence (arXiv 2507.18071), with the published bounds."""

    low: float = 3e-4
    high: float = 4e-4

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return gspo(logprob, behaviour, advantage, loss_mask, low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True)
class CISPO(Surrogate):
    """REINFORCE under a clipped importance weight (arXiv 2506.13585), without a lower bound as in the paper."""

    low: float = 1.0
    high: float = 0.2

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return cispo(logprob, behaviour, advantage, loss_mask, low=self.low, high=self.high)
