"""What each shape is for. The laws of all shapes are in test_laws.py, the golden table in test_entropy_bonus.py."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.entropy_placebos import shuffle_within_rows
from forage.parts.credit.shape.constant_bonus import ConstantBonus
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.group_reweight import GroupReweight
from forage.parts.credit.shape.high_entropy_scale import HighEntropyScale
from forage.parts.credit.shape.random_token_bonus import RandomTokenBonus
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from laws import make_train

LEARN = torch.tensor([[False, True, True, True], [False, True, True, False]])
ADVANTAGE = torch.tensor([[0.0, 1.0, 1.0, 1.0], [0.0, -1.0, -1.0, 0.0]])
SIGNALS = {
    "entropy": torch.tensor([[9.0, 0.0, 0.5, 3.0], [9.0, 0.5, 3.0, 9.0]]),
    "noise": torch.tensor([[0.0, 0.3, 0.1, 0.2], [0.0, 0.5, 0.4, 0.0]]),
    "success_rate": torch.tensor([[0.25] * 4, [0.75] * 4]),
}


def shaped(shape: Shape) -> list[list[float]]:
    return [pytest.approx(row, abs=1e-6) for row in shape(ADVANTAGE, SIGNALS, LEARN).tolist()]  # pyright: ignore


def test_entropy_bonus_by_hand() -> None:
    # min(.4 H, .5) of H = 0, .5, 3 is 0, .2, .5.
    assert shaped(EntropyBonus()) == [[0, 1, 1.2, 1.5], [0, -0.8, -0.5, 0]]
    assert shaped(EntropyBonus(positive_only=True)) == [[0, 1, 1.2, 1.5], [0, -1, -1, 0]]


def test_saturation_is_reported() -> None:
    # At the cap: one of the three tokens of row 0 (H = 3) and one of the two of row 1.
    tallies = EntropyBonus().tallies(ADVANTAGE, SIGNALS, LEARN)["bonus_saturated"]
    assert [int(number) for number in tallies] == [2, 5]
    tallies = EntropyBonus(positive_only=True).tallies(ADVANTAGE, SIGNALS, LEARN)["bonus_saturated"]
    assert [int(number) for number in tallies] == [1, 3]


def test_shuffled_entropy_by_hand() -> None:
    # Row 0, learned columns 1..3 with noise .3 .1 .2: the values of columns 2, 3, 1 come first, second, third.
    moved = shuffle_within_rows(SIGNALS["entropy"], SIGNALS["noise"], LEARN)
    assert moved[LEARN].tolist() == [0.5, 3, 0, 3, 0.5]
    assert shaped(ShuffledEntropyBonus()) == [[0, 1.2, 1.5, 1], [0, -0.5, -0.8, 0]]


def test_shuffling_keeps_the_entropies_of_a_response() -> None:
    train = make_train()
    loss_mask = train.batch.loss_mask
    moved = shuffle_within_rows(train.signals["entropy"], train.signals["noise"], loss_mask)
    for before, after, here in zip(train.signals["entropy"], moved, loss_mask, strict=True):
        assert before[here].sort().values.tolist() == after[here].sort().values.tolist()
    assert not torch.equal(moved[loss_mask], train.signals["entropy"][loss_mask])


def test_constant_and_random_bonus_by_hand() -> None:
    # The entropy bonus is 0, .2, .5, .2, .5: 1.4 over a total |A| of 5, so c = .28.
    assert shaped(ConstantBonus()) == [[0, 1.28, 1.28, 1.28], [0, -0.72, -0.72, 0]]
    # Caps of .5 in the order of the noise .1 .2 .3 .4 .5: .5, .5 and the missing .4, on columns 2, 3, 1 of row 0.
    assert shaped(RandomTokenBonus()) == [[0, 1.4, 1.5, 1.5], [0, -1, -1, 0]]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alpha", [0.05, 0.4, 5.0])
def test_the_placebos_have_the_mean_of_the_method(seed: int, alpha: float) -> None:
    train = make_train(seed)
    means = [
        (shape(train.advantage, train.signals, train.batch.loss_mask) - train.advantage).double().sum().item()
        for shape in (EntropyBonus(alpha=alpha), ConstantBonus(alpha=alpha), RandomTokenBonus(alpha=alpha))
    ]
    assert means[0] > 0
    assert means[1:] == pytest.approx([means[0]] * 2, rel=1e-5)


def test_random_bonus_touches_few_tokens_and_fully() -> None:
    train = make_train()
    bonus = RandomTokenBonus(alpha=0.05)(train.advantage, train.signals, train.batch.loss_mask) - train.advantage
    share = bonus / (train.advantage.abs() / 2)
    paid = share[(train.advantage != 0) & (bonus > 1e-6)]
    assert 0 < len(paid) < (train.advantage != 0).sum() / 2
    assert ((paid - 1).abs() < 1e-4).sum() >= len(paid) - 1


def test_unclipped_bonus_by_hand() -> None:
    assert shaped(UnclippedEntropyBonus()) == [[0, 1, 1.2, 2.2], [0, -0.8, 0.2, 0]]


def test_high_entropy_scale_by_hand() -> None:
    # Entropies 0 .5 .5 3 3: the median is .5, so the two of 3 are above it.
    assert shaped(HighEntropyScale(scale=0.2, quantile=0.5)) == [[0, 1, 1, 1.2], [0, -1, -1.2, 0]]
    assert shaped(HighEntropyScale(scale=0.2, quantile=0.0)) == [[0, 1.2, 1.2, 1.2], [0, -1.2, -1.2, 0]]
    assert shaped(HighEntropyScale(scale=0.2, quantile=1.0)) == [[0, 1, 1, 1], [0, -1, -1, 0]]


def test_group_reweight_by_hand() -> None:
    # p = .25: 1 + .5 / 2 = 1.25; p = .75: 1 - .25.
    assert shaped(GroupReweight()) == [[0, 1.25, 1.25, 1.25], [0, -0.75, -0.75, 0]]


def test_group_reweight_is_the_saturated_bonus_in_expectation() -> None:
    # Rewards 0/1 with mean p, centered: right ones 1 - p, share p; wrong ones -p, share 1 - p. A token that all of them
    # share has the mean gradient sum A' g; with g_right = 1 / p, g_wrong = -1 / (1 - p) for the two outcomes.
    for p in (0.125, 0.5, 0.8):
        right, wrong = 1 - p, -p
        plain = right - wrong
        capped = (right + abs(right) / 2) - (wrong + abs(wrong) / 2)
        assert capped / plain == pytest.approx(1 + (1 - 2 * p) / 2)


def test_settings_that_break_a_claim_are_refused() -> None:
    for kappa in (1.0, 0.5, math.nan):
        for kind in (EntropyBonus, ShuffledEntropyBonus, ConstantBonus, RandomTokenBonus, GroupReweight):
            with pytest.raises(ForageError, match="kappa"):
                kind(kappa=kappa)
    for kind in (EntropyBonus, ShuffledEntropyBonus, ConstantBonus, RandomTokenBonus, UnclippedEntropyBonus):
        with pytest.raises(ForageError, match="alpha"):
            kind(alpha=-0.1)
    with pytest.raises(ForageError, match="scale"):
        HighEntropyScale(scale=-1.0)
    with pytest.raises(ForageError, match="quantile"):
        HighEntropyScale(quantile=1.5)
