"""Putting one more part into a recipe, and refusing the combinations that would not mean what they say."""

from dataclasses import replace

from forage.credit.shape.entropy_bonus import EntropyBonus
from forage.errors import ForageError
from forage.losses.penalty import EntropyPenalty
from forage.losses.policy_loss import PolicyLoss
from forage.protocols import Penalty, Shape
from forage.recipe import Recipe


def add_shape(recipe: Recipe, shape: Shape) -> Recipe:
    """The recipe with `shape` at the end of its shapes. Raises ForageError where it is there already."""
    if any(type(present) is type(shape) for present in recipe.credit.shapes):
        raise ForageError(f"{type(shape).__name__} is in the recipe already; applied twice its bound would not hold.")
    _refuse_double_entropy((*recipe.credit.shapes, shape), recipe.policy_loss)
    return replace(recipe, credit=replace(recipe.credit, shapes=(*recipe.credit.shapes, shape)))


def add_penalty(recipe: Recipe, penalty: Penalty) -> Recipe:
    """The recipe with `penalty` in its loss. Raises ForageError where one of its kind is there already."""
    loss = recipe.policy_loss
    if any(present.name == penalty.name for present in loss.penalties):
        raise ForageError(f"The loss has a {penalty.name} penalty already; give one coefficient instead of two.")
    changed = replace(loss, penalties=(*loss.penalties, penalty))
    _refuse_double_entropy(recipe.credit.shapes, changed)
    return replace(recipe, policy_loss=changed)


def _refuse_double_entropy(shapes: tuple[Shape, ...], loss: PolicyLoss) -> None:
    bonus = any(isinstance(shape, EntropyBonus) for shape in shapes)
    if bonus and any(isinstance(penalty, EntropyPenalty) for penalty in loss.penalties):
        raise ForageError(
            "The entropy bonus on the advantage and the entropy penalty in the loss cannot be used together: the paper "
            "(arXiv 2506.14758) trains without an entropy term, and the effects could not be told apart. Drop one."
        )
