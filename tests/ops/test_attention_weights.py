import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.attention_weights import heavy_keys, rebalanced_weights


def test_by_hand() -> None:
    first = torch.tensor([[[[1.0, 0, 0], [0.3, 0.7, 0], [0.005, 0.5, 0.495]]]])
    heavy = heavy_keys(first, torch.tensor([[0, 1, 2]]), floor=0.01)
    assert heavy.tolist() == [[[[False] * 3, [True, False, False], [False, True, False]]]]
    weights = torch.full((1, 1, 3, 3), 0.5)
    # Layer 1 of 5: 1 + 0.4 * 3/4 = 1.3; layer 3: 1.1; the last layer and the first: 1.
    for layer, factor in ((0, 1.0), (1, 1.3), (3, 1.1), (4, 1.0)):
        edited = rebalanced_weights(weights, heavy, layer=layer, layers=5, alpha=0.4)
        torch.testing.assert_close(edited, torch.where(heavy, 0.5 * factor, 0.5))
    assert torch.equal(rebalanced_weights(weights, heavy, layer=1, layers=5, alpha=0.0), weights)
    assert torch.equal(rebalanced_weights(weights, heavy, layer=1, layers=2, alpha=9.0), weights)


def test_what_is_refused() -> None:
    weights = torch.full((1, 1, 1, 2), 0.5)
    with pytest.raises(ForageError, match="0 or more"):
        heavy_keys(weights, torch.tensor([[1]]), floor=-1.0)
    with pytest.raises(ForageError, match="no layer 3"):
        rebalanced_weights(weights, weights > 0, layer=3, layers=3, alpha=0.1)
