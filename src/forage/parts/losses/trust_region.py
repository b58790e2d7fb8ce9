"""Surrogates with other trust regions than PPO's clip. The formulas are those of `forage.ops.trust_regions`."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Surrogate
from forage.ops.surrogates import check_bounds
from forage.ops.trust_regions import Divergence, ce_gppo, check_ce_gppo, check_dppo, check_sapo, dppo, sapo


@dataclass(frozen=True, kw_only=True)
class DPPO(Surrogate):
    """Tokens are dropped by how far their probability has moved, not by their ratio (arXiv 2602.04879)."""

    bound: float = 0.2
    divergence: Divergence = "tv"

    def __post_init__(self) -> None:
        check_dppo(self.bound, self.divergence)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return dppo(logprob, behaviour, advantage, loss_mask, bound=self.bound, divergence=self.divergence)


@dataclass(frozen=True, kw_only=True)
class SAPO(Surrogate):
    """A soft gate on the ratio (arXiv 2511.20347), somewhat tighter for blame than for praise."""

    tau_positive: float = 1.0
    tau_negative: float = 1.05

    def __post_init__(self) -> None:
        check_sapo(self.tau_positive, self.tau_negative)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return sapo(
            logprob, behaviour, advantage, loss_mask, tau_positive=self.tau_positive, tau_negative=self.tau_negative
        )


@dataclass(frozen=True, kw_only=True)
class CEGPPO(Surrogate):
    """PPO's clip that leaves clipped tokens a bounded gradient (arXiv 2509.20712); keep_low = keep_high = 0 is PPO."""

    low: float = 0.2
    high: float = 0.2
    keep_low: float = 0.75
    keep_high: float = 1.0

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)
        check_ce_gppo(self.keep_low, self.keep_high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return ce_gppo(
            logprob,
            behaviour,
            advantage,
            loss_mask,
            low=self.low,
            high=self.high,
            keep_low=self.keep_low,
            keep_high=self.keep_high,
        )
