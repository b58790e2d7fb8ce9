"""The coloring world as a recipe: several right answers to each problem, and a minute to see which of them are kept."""

from typing import Literal

from forage.base_models.colouring import build_coloring_base
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.recipes.own_model import located
from forage.tasks.colouring import Answers, ColoringTask
from forage.training.recipe import Grouping, Recipe, Schedule, Verifying

TOKENS: dict[Answers, int] = {"short": 4, "long": 7}
"""The length of a response with its end."""


def colouring(
    *,
    answers: Answers = "short",
    world_seed: int = 0,
    model: str | None = None,
    method: Choices = (),
    seed: int = 0,
    steps: int = 512,
    tokens: int = 0,
    problems: int = 8,
    group_size: int = 16,
    train_problems: int = 128,
    temperature: float = 1.0,
    lr: float = 1e-4,
    warmup: int = 0,
    epochs: int = 1,
    mini_batches: int = 1,
    micro_tokens: int = 4096,
    checkpoint_every: int = 0,
    keep_checkpoints: int = 2,
    rollouts_every: int = 0,
    verifier_workers: int = 0,
    device: str = "cpu",
    matmul: Literal["auto", "highest", "medium"] = "auto",
    threads: int = 1,
    sampler: str = "local",
) -> Recipe:
    """Color the last three vertices of a small graph: 4 to 12 of 27 answers are right, and a policy may forget some.

    Args:
        answers: "short" is three digits, "long" vertices and colors in any order.
        world_seed: of the base model and of the training graphs; the test graphs do not depend on it.
        model: checkpoint to start from; the tiny base of these answers (built once, then cached) unless given.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run; the base model and the problems do not depend on it.
        steps: reinforcement-learning steps; every training graph is met in 16 of them.
        tokens: end earlier, after the step in which so many were sampled, values counted; 0 is no limit.
        problems: groups per step.
        group_size: responses per group.
        train_problems: size of the training pool.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW.
        warmup: optimizer steps of linear warm-up.
        epochs: passes over a step's responses.
        mini_batches: optimizer steps per pass; one keeps the update on policy.
        micro_tokens: padded tokens per forward pass; memory against speed, gradients agree up to rounding.
        checkpoint_every: steps between checkpoints (0: only the last).
        keep_checkpoints: how many checkpoints stay on disk.
        rollouts_every: steps between saved rollouts (0: only the last).
        verifier_workers: processes that check answers; 0 checks in this process. Results do not depend on it.
        device: cpu or cuda.
        matmul: float32 matrix product; "auto" measures and takes the fastest that is accurate.
        threads: of the matrix products; 0 is all cores. The matrices are small: more threads gain little.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    recipe = Recipe(
        name=f"colouring-{answers}",
        model=located(model) if model else str(build_coloring_base(answers=answers, seed=world_seed)),
        task=ColoringTask(answers=answers, seed=world_seed, train_problems=train_problems),
        seed=seed,
        schedule=Schedule(
            steps=steps,
            tokens=tokens,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            rollouts_every=rollouts_every,
        ),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=TOKENS[answers]),
        verifying=Verifying(workers=verifier_workers),
        optimization=Optimization(
            lr=lr, warmup=warmup, epochs=epochs, mini_batches=mini_batches, micro_tokens=micro_tokens
        ),
        engine=LocalEngine(device=device, matmul=matmul, threads=threads),
        sampler=parse_sampler(sampler),
    )
    return with_methods(recipe, method)
