"""The settings that all recipes share, in the groups that `forage train RECIPE --help` shows, and their defaults.

A setting is declared here and nowhere else: as a keyword of every recipe function and as a flag of every recipe.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import Choices
from forage.training.recipe import Grouping, Schedule
from forage.verification.judge import Verifying


class RunSettings(TypedDict, total=False):
    """What is trained, by what.

    Args:
        method: Method of training. May be given several times, in order: an algorithm first (GRPO where none is given).
        steps: Training steps.
        seed: Random seed. It decides the run and fresh adapters, but not which problems there are.
        model: The model to start from. A Hugging Face causal model: a folder, or a name on the hub where there is a
            network. Recipes of toy tasks take their tiny base model (built once, then cached) unless given.
    """

    method: Choices
    steps: int | None
    seed: int
    model: str | None


class ScheduleSettings(TypedDict, total=False):
    """How long the run lasts and what it writes down.

    Args:
        tokens: End earlier, after the step in which so many tokens were sampled. Value estimates count; 0: no limit.
        checkpoint_every: Steps between two checkpoints. 0: only at the end.
        keep_checkpoints: How many checkpoints stay on disk.
        rollouts_every: Steps between saved rollouts. Those of the first step are saved too; 0: only the last step.
    """

    tokens: int
    checkpoint_every: int
    keep_checkpoints: int
    rollouts_every: int


class SamplingSettings(TypedDict, total=False):
    """What is sampled in a step.

    Args:
        groups: Problems per step. A group is the responses to one problem.
        group_size: Responses per group.
        temperature: Sampling temperature. It is that of the policy that is trained, too.
        max_tokens: The most tokens of a response.
        max_prompt_tokens: Leave out problems with longer prompts. No limit unless given.
        stop: Text that ends a response, beside the model's own end token. May be given several times.
        sampler: What draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """

    groups: int
    group_size: int
    temperature: float
    max_tokens: int
    max_prompt_tokens: int | None
    stop: Sequence[str]
    sampler: str


class OptimizerSettings(TypedDict, total=False):
    """How the weights move.

    Args:
        lr: Learning rate. It is that of AdamW; 1e-6 for all weights and 2e-5 for an adapter unless given.
        warmup: Optimizer steps of linear warm-up.
        epochs: Passes over the data. Here, over the responses of a step.
        mini_batches: Optimizer steps per pass.
        micro_tokens: Tokens per forward pass: memory against speed. Gradients agree up to rounding. Chosen by the
            memory there is unless given.
        adapter: Train only a low-rank adapter. Examples: lora, lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: Compute layers again in the backward pass: less memory, more time.
    """

    lr: float | None
    warmup: int
    epochs: int
    mini_batches: int
    micro_tokens: int | None
    adapter: str | None
    gradient_checkpointing: bool


class EngineSettings(TypedDict, total=False):
    """Where and in which numbers the model computes.

    Args:
        dtype: Number format of the weights.
        device: Where models compute: cpu or cuda.
        matmul: Precision of float32 matrix products. Auto measures and takes the fastest that is accurate.
        threads: CPU threads for matrix products. 0: all cores.
        rows: Responses sampled at once: memory against speed. Chosen by the memory there is unless given.
        cuda_graphs: Sampling on a GPU launches each pass over the model as a whole. Faster where the processor cannot
            keep the GPU busy; not measured yet (docs/gpu.md).
        trust_remote_code: Run Python code that comes with the model. Read it first.
    """

    dtype: Literal["float32", "bfloat16"]
    device: str
    matmul: Literal["auto", "highest", "medium"]
    threads: int
    rows: int | None
    cuda_graphs: bool
    trust_remote_code: bool


class VerificationSettings(TypedDict, total=False):
    """How answers are checked. The number of processes does not change results.

    Args:
        verifier_workers: Processes that check answers. 0: none, or two where the verifier can hang.
        deadline: Seconds that checking an answer may take. It is measured in a verifier process.
        memory_mb: MiB of memory that checking an answer may take. It is limited in a verifier process.
        overrun: Verdict on an answer whose checking exceeds its time or memory.
        unjudged_limit: Warn where a larger share of the answers could not be judged. Training stops where that lasts.
    """

    verifier_workers: int
    deadline: float
    memory_mb: int
    overrun: Literal["wrong", "unjudged"]
    unjudged_limit: float


class Settings(
    RunSettings,
    ScheduleSettings,
    SamplingSettings,
    OptimizerSettings,
    EngineSettings,
    VerificationSettings,
    total=False,
):
    """Every setting that all recipes share."""


GROUPS: Mapping[str, type] = {
    "run": RunSettings,
    "schedule": ScheduleSettings,
    "sampling": SamplingSettings,
    "optimizer": OptimizerSettings,
    "engine": EngineSettings,
    "verification": VerificationSettings,
}
"""The groups of settings by the titles that help shows them under."""

_SCHEDULE, _OPTIMIZATION, _ENGINE, _VERIFYING = Schedule(), Optimization(), LocalEngine(), Verifying()

DEFAULTS: Settings = {
    "method": (),
    "steps": 100,
    "seed": 0,
    "model": None,
    "tokens": _SCHEDULE.tokens,
    "checkpoint_every": _SCHEDULE.checkpoint_every,
    "keep_checkpoints": _SCHEDULE.keep_checkpoints,
    "rollouts_every": _SCHEDULE.rollouts_every,
    "groups": Grouping().groups,
    "group_size": 8,
    "temperature": 1.0,
    "max_tokens": 1024,
    "max_prompt_tokens": None,
    "stop": (),
    "sampler": "local",
    "lr": None,
    "warmup": _OPTIMIZATION.warmup,
    "epochs": _OPTIMIZATION.epochs,
    "mini_batches": _OPTIMIZATION.mini_batches,
    "micro_tokens": None,
    "adapter": None,
    "gradient_checkpointing": _ENGINE.gradient_checkpointing,
    "dtype": _ENGINE.dtype,
    "device": _ENGINE.device,
    "matmul": _ENGINE.matmul,
    "threads": _ENGINE.threads,
    "rows": None,
    "cuda_graphs": _ENGINE.cuda_graphs,
    "trust_remote_code": _ENGINE.trust_remote_code,
    "verifier_workers": _VERIFYING.workers,
    "deadline": _VERIFYING.deadline,
    "memory_mb": _VERIFYING.memory_mb,
    "overrun": _VERIFYING.overrun,
    "unjudged_limit": _VERIFYING.unjudged_limit,
}
"""What a setting is unless it is given and unless the recipe has a default of its own, which says why."""

TINY: Settings = {"micro_tokens": 2048, "rows": 256}
"""For tiny models, which fit into any memory: fixed, so that a seed gives the same bits whatever else runs."""

SHORT: Settings = {
    **TINY,
    "groups": 8,
    "group_size": 16,
    "mini_batches": 1,  # exactly on policy
    "checkpoint_every": 0,  # a run is shorter than two checkpoints of a longer one
    "rollouts_every": 0,
    "threads": 1,  # the matrices are small: more threads gain little
}
"""For toy tasks whose responses are a few tokens long."""


def values_of(settings: Settings) -> Mapping[str, Any]:
    """All settings, the defaults where nothing is given."""
    return {**DEFAULTS, **settings}
