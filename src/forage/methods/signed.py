"""The composition that the methods of arXiv 2506.01347 share: a weight for right and one for wrong responses."""

from dataclasses import replace
from typing import Literal

from forage.core.errors import ForageError
from forage.methods.algorithms.grpo import grpo
from forage.parts.credit.baseline.signed_reward import SignedReward
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.kept_denominator import KeptDenominator
from forage.training.recipe import Recipe

Denominator = Literal["kept", "all"]
"""What a loss is averaged over: the tokens of the responses that are learned from, or all tokens."""


def signed_recipe(recipe: Recipe, *, positive: float, negative: float, denominator: Denominator, clip: float) -> Recipe:
    """GRPO's loss with the advantages `positive` and `negative`. Raises ForageError for another denominator."""
    check_denominator(denominator)
    shapes = (KeptDenominator(),) if denominator == "kept" else ()
    credit = Credit(baselines=(SignedReward(positive=positive, negative=negative),), shapes=shapes)
    return replace(grpo.function(recipe, clip_low=clip, clip_high=clip), credit=credit)


def check_denominator(denominator: str) -> None:
    """Raises ForageError for what is neither "kept" nor "all"."""
    if denominator not in ("kept", "all"):
        raise ForageError(f'denominator must be "kept" or "all", not {denominator!r}.')
