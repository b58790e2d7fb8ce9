"""What TRL must look like, and which of its settings change their meaning under advantages per token."""

from collections.abc import Mapping
from typing import Any

from forage.adapters.parts import Parts
from forage.core.errors import ForageError

CALLED: Mapping[str, tuple[str, ...]] = {
    "_generate": ("self", "prompts"),
    "_generate_and_score_completions": ("self", "inputs"),
    "_calculate_rewards": ("self", "inputs", "prompts", "completions", "completion_ids_list"),
    "_get_per_token_logps_and_entropies": ("self", "model", "input_ids", "attention_mask", "logits_to_keep"),
    "_compute_loss": ("self", "model", "inputs"),
    "_save_checkpoint": ("self", "model", "trial"),
    "_load_optimizer_and_scheduler": ("self", "checkpoint"),
    "_generate_single_turn": ("self", "prompt_ids", "images", "multimodal_fields", "num_generations"),
}
"""Methods of GRPOTrainer that the adapter overrides or calls, and their first parameters."""

SETTINGS = (
    "use_liger_kernel",
    "loss_type",
    "off_policy_mask_threshold",
    "importance_sampling_level",
    "multi_objective_aggregation",
    "num_generations",
    "steps_per_generation",
    "num_iterations",
    "reward_weights",
)
"""Settings of GRPOConfig that the adapter reads."""


def generation_interval(args: Any) -> int:
    """The number of optimizer steps after which generation and saving fall together (lcm of both, in steps)."""
    every, accumulate = args.steps_per_generation * args.num_iterations, args.gradient_accumulation_steps
    step = 1
    while step * accumulate % every:
        step += 1
    return step


def refuse_settings(parts: Parts, args: Any) -> None:
    """Raises ForageError for settings under which the parts would mean something else, without an error from TRL."""
    if args is None:
        return
    per_token = bool(parts.shapes) or parts.settles
    if per_token and args.use_liger_kernel:
        raise ForageError(
            "The Liger loss reads advantages as one number per sequence (older versions broadcast them to (B, B, T) "
            "without an error). Set use_liger_kernel=False."
        )
    if per_token and args.loss_type == "vespo":
        raise ForageError(
            "VESPO picks its gamma weights by the sign of each advantage; with advantages per token one sequence would "
            "mix both. Use another loss_type."
        )
    if per_token and args.off_policy_mask_threshold is not None:
        raise ForageError(
            "The off-policy sequence mask drops a sequence by the sign of its advantage; with advantages per token it "
            "would drop single tokens. Set off_policy_mask_threshold=None."
        )
    if per_token and args.importance_sampling_level == "sequence":
        raise ForageError(
            'importance_sampling_level="sequence" gives all tokens of a sequence one ratio, so that its gradient only '
            'sees the mean of the advantages and what a shape moved is lost. Use "token".'
        )
    if (parts.rewards or parts.baselines is not None) and args.multi_objective_aggregation != "sum_then_normalize":
        raise ForageError(
            "Reward parts and baselines work on the sum of the rewards. Set multi_objective_aggregation="
            '"sum_then_normalize".'
        )
    least = parts.credit.min_group_size
    if parts.baselines is not None and args.num_generations is not None and args.num_generations < least:
        raise ForageError(
            f"The baseline compares siblings and needs groups of at least {least}: raise num_generations from "
            f"{args.num_generations}."
        )
    if args.save_strategy == "steps" and args.steps_per_generation and args.save_steps >= 1:
        every = generation_interval(args)
        if args.save_steps % every:
            raise ForageError(
                f"save_steps={args.save_steps} saves inside a generation batch, whose completions TRL does not save: "
                f"such a checkpoint cannot be resumed from. Choose a multiple of {every}."
            )
