"""Restarts from prefixes inside TRL: a `rollout_func` that lets completions continue what somebody wrote before."""

from collections.abc import Callable, Sequence
from typing import Any

from forage.core.errors import ForageError

Choose = Callable[[Any, int], Sequence[int]]
"""(prompt, step) -> the tokens that all generations of this prompt continue; () for the bare prompt."""


def restarts(choose: Choose) -> Callable[[list[Any], Any], dict[str, Any]]:
    """`GRPOTrainer(..., rollout_func=restarts(choose))`: the chosen prefixes are read by the model and never learned.

    `choose` is asked once per prompt and step, so siblings share their start; asked again for the same arguments (by
    another process) it must say the same. A prefix stands at the head of the completion under `env_mask` 0: rewards see
    it, the loss and its denominator leave it out. `max_completion_length` limits what is written after it.
    TRL calls this hook experimental and says so unless TRL_EXPERIMENTAL_SILENCE=1.
    """

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        prompt_ids, images, _ = trainer._tokenize_prompts(prompts)
        if images is not None:
            raise ForageError("Restarts are for prompts of text: these hold images.")
        group_size = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
        chosen = {repr(prompt): prompt for prompt in prompts}
        prefixes = {name: list(choose(prompt, trainer.state.global_step)) for name, prompt in chosen.items()}
        own = [prefixes[repr(prompt)] for prompt in prompts]
        contexts = [[*ids, *prefix] for ids, prefix in zip(prompt_ids, own, strict=True)]
        completions, logprobs = trainer._generate_single_turn(contexts, None, {}, group_size)
        both = list(zip(own, completions, strict=True))
        known = None
        if logprobs is not None:
            known = [[*[0.0] * len(prefix), *row] for prefix, row in zip(own, logprobs, strict=True)]
        return {
            "prompt_ids": prompt_ids,
            "completion_ids": [[*prefix, *written] for prefix, written in both],
            "logprobs": known,
            "env_mask": [[0] * len(prefix) + [1] * len(written) for prefix, written in both],
        }

    return rollout
