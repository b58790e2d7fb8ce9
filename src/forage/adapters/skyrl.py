"""SkyRL (and verl's registry of estimators): baselines as a function of whole-response rewards.

SkyRL hands no entropy to an estimator, so shapes cannot run there; what can is a chain of baselines:

    register_advantage_estimator("forage_passk")(estimator(PassAtK(k=4)))
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.ops.masked import require_shape


def estimator(*baselines: Baseline) -> Callable[..., tuple[Tensor, Tensor]]:
    """`fn(token_level_rewards (B, T), response_mask (B, T), index, **ignored) -> (advantages, returns)`, both (B, T).

    A response's reward is the sum of its tokens' rewards, NaN where one is NaN: not judged, advantage 0. `index` names
    the group of each row.
    """
    if not baselines:
        raise ForageError("An estimator needs at least one baseline, such as MeanCentre().")

    def estimate(
        token_level_rewards: Tensor, response_mask: Tensor, index: Sequence[Any], **_: Any
    ) -> tuple[Tensor, Tensor]:
        require_shape(tuple(token_level_rewards.shape), response_mask=response_mask)
        numbers: dict[str, int] = {}
        group = torch.tensor([numbers.setdefault(str(name), len(numbers)) for name in index])
        value = token_level_rewards.sum(dim=1).double()
        for baseline in baselines:
            value = baseline(value, group.to(value.device))
        spread = value.nan_to_num(0.0)[:, None] * response_mask.to(value.dtype)
        result = spread.to(token_level_rewards.dtype)
        return result, result.clone()

    return estimate
