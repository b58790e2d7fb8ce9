"""What verl must look like, and which of its settings would leave the parts without what they read."""

from collections.abc import Mapping
from typing import Any

from forage.core.errors import ForageError

CALLED: Mapping[str, tuple[str, ...]] = {
    "__init__": ("self", "config"),
    "_build_replay_buffer": ("self",),
    "_step_once": ("self", "metrics", "timing_raw", "sample_batch_size"),
    "_compute_advantage": ("self", "batch", "metrics"),
}
"""Methods of PPOTrainerSync that the adapter overrides, and their parameters."""

FIELDS = ("advantages", "entropy", "response_mask", "responses", "prompts", "uid", "rm_scores")
"""What is read of a batch in verl's queue; only the first is written."""

ONE_RATIO = ("gspo", "gmpo", "geo_mean")
"""Losses with one ratio per sequence."""


def refuse_settings(config: Any) -> None:
    """Raises ForageError for settings of verl under which the parts would be missing or mean something else."""
    correction = config.algorithm.get("rollout_correction", None)
    if correction and correction.get("bypass_mode", False):
        raise ForageError(
            "With algorithm.rollout_correction.bypass_mode=true verl makes no pass over the sampled tokens, so there "
            "is no entropy. Set it to false."
        )
    loss = config.actor_rollout_ref.actor.get("policy_loss", {}).get("loss_mode", "vanilla")
    if loss in ONE_RATIO:
        raise ForageError(
            f"The loss {loss} gives all tokens of a sequence one ratio: what a shape moved is lost. Use vanilla."
        )
