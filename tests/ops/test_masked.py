import pytest
import torch

from forage.ops.masked import masked, masked_mean, masked_sum, require_shape

VALUES = torch.tensor([[1.0, 2.0, torch.nan], [4.0, torch.inf, 6.0]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_what_is_off_the_mask_never_matters() -> None:
    assert masked(VALUES, MASK).tolist() == [[1, 2, 0], [4, 0, 0]]
    assert masked_sum(VALUES, MASK).item() == 7
    assert masked_sum(VALUES, MASK, dim=1).tolist() == [3, 4]
    assert masked_mean(VALUES, MASK).item() == pytest.approx(7 / 3)
    assert masked_mean(VALUES, MASK, dim=1).tolist() == [1.5, 4]


def test_an_empty_mask_has_mean_zero() -> None:
    assert masked_mean(VALUES, torch.zeros_like(MASK)).item() == 0


def test_no_gradient_off_the_mask() -> None:
    values = torch.tensor([1.0, 0.0], requires_grad=True)
    masked(values.log(), torch.tensor([True, False])).sum().backward()  # log 0 = -inf is off the mask
    assert values.grad is not None
    assert values.grad[0] == 1
    assert masked_sum(values, torch.tensor([True, False])).item() == 1


def test_a_broadcast_is_refused() -> None:
    with pytest.raises(ValueError, match=r"entropy has shape \(2,\), not \(2, 3\)"):
        require_shape((2, 3), entropy=torch.zeros(2))
    with pytest.raises(ValueError, match="mask has shape"):
        masked(torch.zeros(2, 3), torch.ones(3, dtype=torch.bool))
