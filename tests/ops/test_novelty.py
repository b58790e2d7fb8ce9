import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.novelty import novelty_bonus

ERROR = torch.tensor([1.0, 5.0, 3.0, 2.0, 5.0], dtype=torch.float64)
RIGHT = torch.tensor([False, True, False, False, False])


def test_the_scale_of_the_batch_by_hand() -> None:
    # (n - 1) / 4 is 0, 1, 1/2, 1/4, 1; half of it, nothing for the right one, which sets the scale too.
    wanted = torch.tensor([0, 0, 0.25, 0.125, 0.5], dtype=torch.float64)
    assert torch.equal(novelty_bonus(ERROR, RIGHT, 0), wanted)
    assert torch.equal(novelty_bonus(ERROR, RIGHT, 40), wanted / 2)
    assert torch.equal(novelty_bonus(ERROR, RIGHT, 10, decay=10, height=1.0), wanted)
    assert torch.equal(novelty_bonus(ERROR, RIGHT, 1000, decay=float("inf")), wanted)


def test_bounds_and_the_end_of_it() -> None:
    draw = torch.Generator().manual_seed(0)
    error, right = torch.rand(200, generator=draw), torch.rand(200, generator=draw) < 0.3
    for step in (0, 7, 10**6):
        bonus = novelty_bonus(error, right, step)
        assert (bonus[right] == 0).all()
        assert ((bonus >= 0) & (bonus <= 0.5)).all()
    assert bonus.max() < 1e-4
    moved = novelty_bonus(7 * error + 3, right, 3)
    torch.testing.assert_close(moved, novelty_bonus(error, right, 3), rtol=1e-5, atol=1e-6)


def test_equal_novelty_is_none_and_what_is_not_known_takes_no_part() -> None:
    same = torch.full((3,), 0.25)
    wrong = torch.zeros(3, dtype=torch.bool)
    assert torch.equal(novelty_bonus(same, wrong, 0), torch.zeros(3))
    assert torch.equal(novelty_bonus(same * torch.nan, wrong, 0), torch.zeros(3))
    assert torch.equal(novelty_bonus(same[:0], wrong[:0], 0), torch.zeros(0))
    some = torch.tensor([0.0, torch.nan, 1.0])
    assert torch.equal(novelty_bonus(some, wrong, 0), torch.tensor([0.0, 0.0, 0.5]))


def test_wrong_settings_are_sentences() -> None:
    for settings in ({"height": 0.0}, {"decay": 0.0}, {"height": float("nan")}):
        with pytest.raises(ForageError, match="above 0"):
            novelty_bonus(ERROR, RIGHT, 0, **settings)
    with pytest.raises(ForageError, match="from 0"):
        novelty_bonus(ERROR, RIGHT, -1)
    with pytest.raises(ValueError, match="shape"):
        novelty_bonus(ERROR, RIGHT[:2], 0)
