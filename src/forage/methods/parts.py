"""Putting one more part into a recipe, and refusing the combinations that would not mean what they say."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from forage.core.errors import ForageError
from forage.core.mode_keys import ModeKey, Ways
from forage.core.protocols import Assign, Explore, MemoryConfig, Penalty, Reward, Shape, Signal, StepSignal, Task
from forage.engines.local.classifier_reward import ClassifierReward
from forage.engines.local.model_reward import ModelReward
from forage.engines.local.process_model import read_record
from forage.engines.local.process_reward import ProcessReward
from forage.grams.gram_list import GramList, load_grams
from forage.grams.ways import GramClusters
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.entropy_planning_bonus import EntropyPlanningBonus
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.parts.explore.plain import PlainSampling
from forage.parts.losses.penalty import EntropyPenalty, EntropyTarget
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.signals.planning import PlanningMask
from forage.reward_models.preference.embedding_reward import PreferenceReward, usable_rankings
from forage.reward_models.preference.judge_reward import JudgeReward
from forage.training.recipe import Recipe

WayKey = ModeKey | Literal["grams"] | Ways
"""What distinguishes right responses, as a person gives it: "grams" is `GramClusters` with its own settings."""


def add_shape(recipe: Recipe, shape: Shape) -> Recipe:
    """The recipe with `shape` at the end of its shapes. Raises ForageError where it is there already."""
    if any(type(present) is type(shape) for present in recipe.credit.shapes):
        raise ForageError(f"{type(shape).__name__} is in the recipe already; applied twice its bound would not hold.")
    shapes = (*recipe.credit.shapes, shape)
    _refuse_double_entropy(shapes, recipe.policy_loss)
    _refuse_compounding(shapes)
    return replace(recipe, credit=replace(recipe.credit, shapes=shapes))


def published_alpha(recipe: Recipe, alpha: float | None) -> float:
    """`alpha` of the entropy bonus, or the published one where it is None: 0.1 with a critic's advantages, else 0.4.

    arXiv 2506.14758 trains PPO with the first and GRPO with the second. Raises ForageError for what is no number.
    """
    if alpha is None:
        return 0.1 if isinstance(recipe.credit.assign, Gae) else 0.4
    if not isinstance(alpha, int | float):
        raise ForageError(f"alpha is a number, or None for the published one, not {alpha!r}.")
    return float(alpha)


def add_penalty(recipe: Recipe, penalty: Penalty) -> Recipe:
    """The recipe with `penalty` in its loss. Raises ForageError where one of its kind is there already."""
    loss = recipe.policy_loss
    if any(present.name == penalty.name for present in loss.penalties):
        raise ForageError(f"The loss has its {penalty.name} penalty already; give one coefficient instead of two.")
    changed = replace(loss, penalties=(*loss.penalties, penalty))
    _refuse_double_entropy(recipe.credit.shapes, changed)
    return replace(recipe, policy_loss=changed)


def add_step_signal(recipe: Recipe, signal: StepSignal) -> Recipe:
    """The recipe with a signal that its loss settles once per optimizer step. Raises ForageError for a second one."""
    loss = recipe.policy_loss
    if signal.name in loss.provides:
        raise ForageError(f"The loss settles {signal.name} already; a second rule for it would hide what either does.")
    return replace(recipe, policy_loss=replace(loss, step_signals=(*loss.step_signals, signal)))


def add_reward(recipe: Recipe, reward: Reward) -> Recipe:
    """The recipe with `reward` after its rewards. Raises ForageError where one of its kind is there already."""
    if any(type(present) is type(reward) for present in recipe.rewards):
        raise ForageError(f"{type(reward).__name__} is in the recipe already; a second one would multiply its weights.")
    return replace(recipe, rewards=(*recipe.rewards, reward))


def with_assign(recipe: Recipe, assign: Assign, method: str) -> Recipe:
    """The recipe with this credit to tokens. Raises ForageError where it has another than one number for all."""
    if recipe.credit.assign != Uniform():
        raise ForageError(
            f"{method} would replace {type(recipe.credit.assign).__name__}, which assigns credit to tokens "
            "already. Use one of the two."
        )
    return replace(recipe, credit=replace(recipe.credit, assign=assign))


def with_explore(recipe: Recipe, explore: Explore) -> Recipe:
    """The recipe with this way to explore. Raises ForageError where it has another than plain sampling."""
    if not isinstance(recipe.explore, PlainSampling):
        raise ForageError(
            f"The recipe explores by {type(recipe.explore).__name__} already; a step has one way to draw its responses."
        )
    return replace(recipe, explore=explore)


def without_std(recipe: Recipe) -> Recipe:
    """The recipe without the division by the standard deviation of a group."""
    baselines = tuple(part for part in recipe.credit.baselines if not isinstance(part, StdScale))
    return replace(recipe, credit=replace(recipe.credit, baselines=baselines))


def add_signal(recipe: Recipe, signal: Signal) -> Recipe:
    """The recipe with a signal of its own. Raises ForageError where it has another one of that name."""
    if any(present.name == signal.name for present in recipe.signals):
        raise ForageError(f"The recipe has a signal {signal.name} already; one of its parts would read the wrong one.")
    return replace(recipe, signals=(*recipe.signals, signal))


def add_demonstrations(recipe: Recipe, memory: MemoryConfig, penalty: Penalty) -> Recipe:
    """The recipe with a memory that shows responses, around the one it has, and what is minimized on them.

    Raises ForageError where another memory shows responses already.
    """
    loss = recipe.policy_loss
    if loss.demonstration_penalties:
        raise ForageError(
            "The recipe learns from kept responses already, and what is minimized on one method's would be minimized "
            "on the other's too. Give one of mode_replay, success_replay, base_anchor, rl_plus and their controls."
        )
    return replace(recipe, memory=memory, policy_loss=replace(loss, demonstration_penalties=(penalty,)))


def key_task(recipe: Recipe, key: ModeKey | Ways, method: str, *, setting: str = "key") -> Task | None:
    """The task, where it is needed to read answers. Raises ForageError where modes are asked for and it names none."""
    if key == "mode" and not recipe.task.has_modes:
        raise ForageError(
            f"{method} is keyed by modes, and the task {recipe.task.name} names none, so it would weigh nothing. "
            f"Train on a task with several right answers, or key by what is there: {method}:{setting}=answer or "
            f"{method}:{setting}=text."
        )
    return recipe.task if key == "answer" else None


def named_ways(key: WayKey) -> ModeKey | Ways:
    """The key that a part takes. Raises ForageError for an unknown one."""
    if key == "grams":
        return GramClusters()
    if isinstance(key, Ways) or key in get_args(ModeKey):
        return key
    raise ForageError(
        f'Right responses are distinguished by "mode" (the task\'s own), "answer", "text", "grams" or an object of the '
        f"class `Ways`, not {key!r}."
    )


def strategic_grams(name: str, method: str) -> GramList:
    """The gram list that a method is given. Raises ForageError, saying how to make one, where `name` is empty."""
    if not name:
        raise ForageError(
            f"{method} needs strategic grams. Mine them from correct responses with `forage grams mine RUN --out "
            f"grams.json` and give the file: {method}:grams=grams.json. For a model that reasons in English, "
            f"{method}:grams=phrases is a list written by hand."
        )
    return load_grams(name)


def add_planning(
    recipe: Recipe, shape: Shape, grams: Sequence[str], source: str, *, scale: bool, bins: Sequence[str] = ()
) -> Recipe:
    """The recipe with a shape that reads `planning`, and the mask of `grams` that it reads.

    `bins` are the clusters in which the metrics count the grams; each counts by itself where none are given.
    Without `scale` the advantages are no longer divided by the group's standard deviation (as HICRA prints them).
    Raises ForageError where the recipe has another planning mask.
    """
    mask = PlanningMask(grams=tuple(grams), source=source, bins=tuple(bins))
    others = tuple(signal for signal in recipe.signals if signal.name != mask.name)
    if any(signal != mask for signal in recipe.signals if signal.name == mask.name):
        raise ForageError("The recipe has another list of strategic grams already; its parts would read the wrong one.")
    changed = recipe if scale else without_std(recipe)
    return add_shape(replace(changed, signals=(*others, mask)), shape)


def add_process_reward(recipe: Recipe, reward: ProcessReward, method: str) -> Recipe:
    """The recipe with a process reward. Raises ForageError where its model is not one, or twice."""
    if not reward.model:
        raise ForageError(
            f"{method} needs a process reward model. Make one with `forage prm label` and `forage prm train`, and give "
            f"its folder: {method}:model=FOLDER."
        )
    read_record(Path(reward.model))
    if any(isinstance(present, ProcessReward) for present in recipe.rewards):
        raise ForageError("The recipe has a process reward already; a second one would hide what either does.")
    return add_model_reward(recipe, reward)


def add_preference_reward(recipe: Recipe, reward: PreferenceReward, method: str) -> Recipe:
    """The recipe with a reward fitted to preferences. Raises ForageError where its file is none, or twice."""
    if not reward.preferences:
        raise ForageError(
            f"{method} is fitted to preferences: JSON lines with prompt, chosen and rejected, or prompt and ranked. "
            f"Give the file: {method}:preferences=FILE."
        )
    usable_rankings(Path(reward.preferences))
    if any(isinstance(present, PreferenceReward) for present in recipe.rewards):
        raise ForageError("The recipe has a reward that is fitted to preferences already; give one.")
    return add_model_reward(recipe, reward)


LearnedReward = ModelReward | ProcessReward | PreferenceReward | JudgeReward | ClassifierReward
"""Rewards that may take the verdict's place."""


def add_model_reward(recipe: Recipe, reward: LearnedReward) -> Recipe:
    """The recipe with a reward that may take the verdict's place, in front of those that add to it.

    What they add, such as a penalty for length, is so kept, whatever the order of the methods.
    """
    models = [place for place, part in enumerate(recipe.rewards) if isinstance(part, LearnedReward)]
    place = max(models, default=-1) + 1
    return replace(recipe, rewards=(*recipe.rewards[:place], reward, *recipe.rewards[place:]))


def _refuse_double_entropy(shapes: tuple[Shape, ...], loss: PolicyLoss) -> None:
    bonus = any(isinstance(shape, EntropyBonus | EntropyPlanningBonus) for shape in shapes)
    if bonus and any(isinstance(penalty, EntropyPenalty | EntropyTarget) for penalty in loss.penalties):
        raise ForageError(
            "The entropy bonus on the advantage and the entropy penalty in the loss cannot be used together: the paper "
            "(arXiv 2506.14758) trains without an entropy term, and the effects could not be separated. Drop one."
        )


def _refuse_compounding(shapes: tuple[Shape, ...]) -> None:
    kinds = {type(shape) for shape in shapes}
    if len(kinds & {EntropyBonus, PlanningCredit, EntropyPlanningBonus}) > 1:
        raise ForageError(
            "The entropy bonus and the planning credit one after the other compound beyond either bound. "
            "Use hicra_entropy alone: it adds both under one cap."
        )
