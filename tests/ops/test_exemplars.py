import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.exemplars import exemplar_weights, mode_shares, replay_scale


def test_scale_by_hand() -> None:
    assert [replay_scale(group_size) for group_size in (1, 2, 4, 16)] == [0, 1 / 4, 3 / 16, 15 / 256]
    with pytest.raises(ForageError, match="at least one sibling"):
        replay_scale(0)


def test_shares_by_hand() -> None:
    assert mode_shares([6, 1, 1]).tolist() == [1 / 3, 1 / 3, 1 / 3]
    assert mode_shares([6, 1, 1], by="frequency").tolist() == [0.75, 0.125, 0.125]
    assert mode_shares([3, 8], by="tokens").tolist() == [3 / 11, 8 / 11]
    assert mode_shares([]).tolist() == []
    with pytest.raises(ForageError, match="at least once"):
        mode_shares([1, 0])
    with pytest.raises(ForageError, match="often"):
        mode_shares([1], by="often")  # pyright: ignore[reportArgumentType]


def test_weights_by_hand() -> None:
    # Shares 1/2 and 1/4, one and two tokens; a row without any token counts nothing and is no NaN.
    mask = torch.tensor([[False, True, False], [False, True, True], [False, False, False]])
    weights = exemplar_weights(mask, torch.tensor([0.5, 0.25, 1.0]))
    assert weights.tolist() == [[0, 0.5, 0], [0, 0.125, 0.125], [0, 0, 0]]
    with pytest.raises(ValueError, match="shape"):
        exemplar_weights(mask, torch.ones(2))
