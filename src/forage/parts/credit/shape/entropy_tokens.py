"""Learning from the tokens at which the policy was uncertain, and from no others (arXiv 2506.01939)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked
from forage.ops.token_covariance import check_share, top_share

TokenChoice = Literal["top", "bottom", "random"]


@dataclass(frozen=True, kw_only=True)
class EntropyTokens(Shape):
    """A on the `share` of the learned tokens with the highest entropy under the sampling policy, 0 on the others.

    The share is of the whole step, never of a micro-batch. `choice` "bottom" takes the lowest and "random" any, which
    are the controls. The loss is averaged over all tokens, or with `kept` over the chosen ones, which multiplies it by
    1 / share.
    """

    share: float = 0.2
    choice: TokenChoice = "top"
    kept: bool = False

    at = "sampling"
    needs = frozenset({"entropy", "noise"})

    def __post_init__(self) -> None:
        check_share(self.share)
        if self.choice not in get_args(TokenChoice):
            raise ForageError(f'Tokens are chosen from the "top", the "bottom" or at "random", not {self.choice!r}.')

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        entropy = signals["entropy"].detach()
        score = {"top": entropy, "bottom": -entropy, "random": signals["noise"]}[self.choice]
        chosen = top_share(score, loss_mask, share=self.share)
        tokens, count = int(loss_mask.sum()), int(chosen.sum())
        return masked(advantage, chosen) * (tokens / count if self.kept and count else 1.0)
