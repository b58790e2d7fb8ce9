"""The tiny lab as a recipe: Countdown, a noisy base model, and settings in which exploration matters."""

from typing import Literal

from forage.base_models.countdown import build_base
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.recipes.own_model import located
from forage.tasks.countdown import Countdown
from forage.training.recipe import Grouping, Recipe, Schedule, Verifying

Size = Literal["demo", "experiment"]


STEPS: dict[Size, int] = {"demo": 80, "experiment": 120}


def countdown(
    *,
    size: Size = "demo",
    model: str | None = None,
    method: Choices = (),
    seed: int = 0,
    steps: int | None = None,
    tokens: int = 0,
    problems: int = 16,
    group_size: int = 16,
    train_problems: int | None = None,
    max_tokens: int = 120,
    temperature: float = 1.0,
    lr: float = 2e-4,
    warmup: int = 0,
    epochs: int = 1,
    mini_batches: int = 2,
    micro_tokens: int = 1024,
    checkpoint_every: int = 20,
    keep_checkpoints: int = 2,
    rollouts_every: int = 20,
    verifier_workers: int = 0,
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    matmul: Literal["auto", "highest", "medium"] = "auto",
    threads: int = 0,
    sampler: str = "local",
) -> Recipe:
    """Countdown: reach a target from three or four numbers, in a written trace that a verifier replays.

    Args:
        size: "demo" runs in a minute, "experiment" is the full task.
        model: checkpoint to start from; the tiny base of this size (built once, then cached) unless given.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run; the base model and the problems do not depend on it.
        steps: reinforcement-learning steps; 80 for the demo and 120 for the experiment unless given.
        tokens: end earlier, after the step in which so many were sampled, values counted; 0 is no limit.
        problems: groups per step.
        siblings: responses per group.
        train_problems: size of the training pool; 160 for the demo and 256 for the experiment unless given.
        max_tokens: limit of a response.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW.
        warmup: optimizer steps of linear warm-up.
        epochs: passes over a step's responses.
        mini_batches: optimizer steps per pass.
        micro_tokens: padded tokens per forward pass; memory against speed, gradients agree up to rounding.
        checkpoint_every: steps between checkpoints (0: only the last).
        keep_checkpoints: how many checkpoints stay on disk.
        rollouts_every: steps between saved rollouts (0: only the last).
        verifier_workers: processes that check answers; 0 checks in this process. Results do not depend on it.
        dtype: numbers of the model; float32 is the default everywhere.
        device: cpu or cuda.
        matmul: float32 matrix product; "auto" measures and takes the fastest that is accurate.
        threads: of the matrix products; 0 is all cores.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    recipe = Recipe(
        name=f"countdown-{size}",
        model=located(model) if model else str(build_base(size=size)),
        task=Countdown(size=size, train_problems=train_problems),
        seed=seed,
        schedule=Schedule(
            steps=STEPS[size] if steps is None else steps,
            tokens=tokens,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            rollouts_every=rollouts_every,
        ),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=max_tokens),
        verifying=Verifying(workers=verifier_workers),
        optimization=Optimization(
            lr=lr, warmup=warmup, epochs=epochs, mini_batches=mini_batches, micro_tokens=micro_tokens
        ),
        engine=LocalEngine(dtype=dtype, device=device, matmul=matmul, threads=threads),
        sampler=parse_sampler(sampler),
    )
    return with_methods(recipe, method)
