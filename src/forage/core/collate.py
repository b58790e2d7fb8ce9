"""The one door between the two worlds: groups of records become a batch of tensors."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from forage.core.batch import Batch
from forage.core.protocols import Forward
from forage.core.records import Group, Problem, Rollout, Score


def collate(groups: Sequence[Group], prompt: Callable[[Problem], tuple[int, ...]]) -> Batch:
    """Pads and aligns the rollouts of `groups`, in order, into a `Batch` of B sequences by T tokens.

    `prompt` gives the tokens that the model reads before it answers (`Codec.prompt`). The sampled tokens are learned
    from; the prompt, the start's prefix, what an environment wrote and the padding are not. Raises ValueError for an
    empty list of groups.
    """
    if not groups:
        raise ValueError("there is nothing to collate: no groups")
    contexts = [prompt(group.start.problem) + group.start.prefix for group in groups]
    width = max(
        len(context) + max(len(rollout.tokens) for rollout in group.rollouts)
        for context, group in zip(contexts, groups, strict=True)
    )
    rows = sum(len(group.rollouts) for group in groups)

    tokens = np.zeros((rows, width), dtype=np.int64)
    loss_mask = np.zeros((rows, width), dtype=np.bool_)
    behaviour = np.zeros((rows, width), dtype=np.float32)
    entropy = np.zeros((rows, width), dtype=np.float32)
    step = np.full((rows, width), -1, dtype=np.int64)
    step_reward = np.zeros((rows, width), dtype=np.float32)
    group_number = np.zeros(rows, dtype=np.int64)

    row = 0
    for number, (context, group) in enumerate(zip(contexts, groups, strict=True)):
        begin = len(context)
        for rollout, score in zip(group.rollouts, group.scores, strict=True):
            end = begin + len(rollout.tokens)
            tokens[row, :begin] = context
            tokens[row, begin:end] = rollout.tokens
            loss_mask[row, begin:end] = True
            behaviour[row, begin:end] = rollout.logprobs
            entropy[row, begin:end] = rollout.entropies
            step[row, begin:end] = _step_numbers(rollout)
            step_reward[row, begin:end] = _step_rewards(rollout, score)
            for first, last in rollout.given:
                here = slice(begin + first, begin + last)
                loss_mask[row, here], behaviour[row, here], entropy[row, here], step[row, here] = False, 0, 0, -1
            group_number[row] = number
            row += 1

    members = [
        (rollout, score) for group in groups for rollout, score in zip(group.rollouts, group.scores, strict=True)
    ]
    return Batch(
        tokens=torch.from_numpy(tokens),
        loss_mask=torch.from_numpy(loss_mask),
        origin=torch.tensor([int(rollout.start.origin) for rollout, _ in members]),
        behaviour=torch.from_numpy(behaviour),
        entropy=torch.from_numpy(entropy),
        reward=torch.tensor([score.value for _, score in members], dtype=torch.float32),
        group=torch.from_numpy(group_number),
        step=torch.from_numpy(step),
        step_reward=torch.from_numpy(step_reward),
        version=torch.tensor([rollout.version for rollout, _ in members]),
        weight=torch.ones(rows),
    )


def with_entropy(batch: Batch, measure: Callable[[Batch], Forward]) -> Batch:
    """The batch with the entropies that its sampler could not tell (NaN), as `Policy.measure` says them now.

    Where the sampler recorded all of them nothing is computed, and the batch is the same object.
    """
    known = batch.entropy.isfinite() | ~batch.loss_mask
    if bool(known.all()):
        return batch
    return replace(batch, entropy=batch.entropy.where(known, measure(batch).entropy))


def _step_numbers(rollout: Rollout) -> np.ndarray:
    """(tokens,) int64: the index of the reasoning step that each token belongs to."""
    lengths = np.diff((0, *rollout.step_ends))
    return np.repeat(np.arange(len(lengths)), lengths)


def _step_rewards(rollout: Rollout, score: Score) -> np.ndarray:
    """(tokens,) float32: each step's reward at its last token of the policy's; zeros without step scores."""
    rewards = np.zeros(len(rollout.tokens), dtype=np.float32)
    if score.steps is not None:
        before = {last: first for first, last in rollout.given}
        rewards[np.array([before.get(end, end) for end in rollout.step_ends]) - 1] = score.steps
    return rewards
