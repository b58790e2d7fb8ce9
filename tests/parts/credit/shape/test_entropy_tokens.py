"""Tables worked by hand. The laws of all shapes are in test_laws.py."""

import pytest
import torch

from forage.core.errors import ForageError
from forage.parts.credit.shape.entropy_tokens import EntropyTokens
from forage.parts.credit.shape.kept_denominator import KeptDenominator
from laws import make_train

ENTROPY = torch.tensor([[9.0, 0.5, 2.0, 0.1], [9.0, 1.0, 0.2, 9.0]])
NOISE = torch.tensor([[0.0, 0.1, 0.2, 0.9], [0.0, 0.3, 0.8, 0.0]])
LEARN = torch.tensor([[False, True, True, True], [False, True, True, False]])
SIGNALS = {"entropy": ENTROPY, "noise": NOISE}
ADVANTAGE = torch.tensor([[0.0, 1, 1, 1], [0, -1, -1, 0]])


def test_two_of_five_tokens_by_hand() -> None:
    # Entropies .5 2 .1 | 1 .2 over the whole batch: the top two are 2 and 1, the bottom two .1 and .2.
    assert EntropyTokens(share=0.4)(ADVANTAGE, SIGNALS, LEARN).tolist() == [[0, 0, 1, 0], [0, -1, 0, 0]]
    low = EntropyTokens(share=0.4, choice="bottom")(ADVANTAGE, SIGNALS, LEARN)
    assert low.tolist() == [[0, 0, 0, 1], [0, 0, -1, 0]]
    lot = EntropyTokens(share=0.4, choice="random")(ADVANTAGE, SIGNALS, LEARN)
    assert lot.tolist() == [[0, 0, 0, 1], [0, 0, -1, 0]]  # noise .9 and .8
    kept = EntropyTokens(share=0.4, kept=True)(ADVANTAGE, SIGNALS, LEARN)
    assert kept.tolist() == [[0, 0, 2.5, 0], [0, -2.5, 0, 0]]  # five tokens over two


def test_the_share_is_of_the_whole_batch_and_at_least_one_token() -> None:
    train = make_train(zero_rows=0)
    tokens = int(train.batch.loss_mask.sum())
    chosen = EntropyTokens(share=0.2)(torch.ones_like(train.advantage), train.signals, train.batch.loss_mask)
    assert int((chosen != 0).sum()) == round(0.2 * tokens)
    one = EntropyTokens(share=1e-6)(torch.ones_like(train.advantage), train.signals, train.batch.loss_mask)
    assert int((one != 0).sum()) == 1


def test_the_denominator_of_what_is_learned_from() -> None:
    # Two of five tokens have an advantage: what remains is averaged over two instead of five.
    sparse = torch.tensor([[0.0, 0, 1, 0], [0, -2, 0, 0]])
    assert KeptDenominator()(sparse, {}, LEARN).tolist() == [[0, 0, 2.5, 0], [0, -5, 0, 0]]
    assert torch.equal(KeptDenominator(share=0)(sparse, {}, LEARN), sparse)
    assert (KeptDenominator()(torch.zeros_like(sparse), {}, LEARN) == 0).all()


def test_settings_without_a_meaning_are_refused() -> None:
    for wrong in (lambda: EntropyTokens(share=0), lambda: KeptDenominator(share=2)):
        with pytest.raises(ForageError):
            wrong()
