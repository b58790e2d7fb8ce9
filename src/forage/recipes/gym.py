"""A reasoning-gym data set as a recipe, with a model of the user's own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.recipes.own_model import learning_rate, located, parse_adapter
from forage.tasks.gym import AnswerFormat, parse_gym
from forage.training.recipe import Grouping, Recipe, Schedule, Verifying


def gym(
    *,
    dataset: str,
    model: str,
    method: Choices = (),
    seed: int = 0,
    steps: int = 100,
    problems: int = 8,
    group_size: int = 8,
    system: str = "",
    answer_format: AnswerFormat | None = None,
    stop: Sequence[str] = (),
    max_tokens: int = 256,
    temperature: float = 1.0,
    lr: float | None = None,
    mini_batches: int = 2,
    micro_tokens: int = 1024,
    rows: int = 256,
    adapter: str | None = None,
    gradient_checkpointing: bool = False,
    checkpoint_every: int = 20,
    rollouts_every: int = 20,
    verifier_workers: int = 2,
    deadline: float = 10.0,
    overrun: Literal["wrong", "unjudged"] = "wrong",
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    threads: int = 0,
    trust_remote_code: bool = False,
    sampler: str = "local",
) -> Recipe:
    """Problems of a reasoning-gym data set (extra `gym`), with a model of yours.

    Args:
        dataset: its name and parameters, as in countdown:min_numbers=3,max_numbers=4; chat=true asks through the
            tokenizer's chat template, and train_problems, test_problems and seed select the problems, and steps says
            where reasoning steps end (newline unless given).
        model: Hugging Face causal model: a folder, or a name on the hub where there is a network.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run; the problems do not depend on it.
        steps: reinforcement-learning steps.
        problems: groups per step.
        siblings: responses per group.
        system: system prompt, before every question.
        answer_format: how the prompt asks for the answer: boxed (LaTeX), tags (<answer>), or not at all (any, unless
            given); an answer that is not marked as asked is wrong.
        stop: text that ends a response, beside the model's own end token; may be given several times.
        max_tokens: limit of a response.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW; 1e-6 for all weights and 2e-5 for an adapter unless given.
        mini_batches: optimizer steps per step.
        micro_tokens: padded tokens per forward pass.
        rows: responses sampled at once; memory against speed.
        adapter: train a low-rank adapter alone, as lora or lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: compute layers again in the backward pass: less memory, more time.
        checkpoint_every: steps between checkpoints (0: only the last).
        rollouts_every: steps between saved rollouts (0: only the last).
        verifier_workers: processes that ask the data set's scorer; at least one is used.
        deadline: seconds that checking an answer may take.
        overrun: what an answer is whose checking takes more time or memory than it has.
        dtype: numbers of the model.
        device: cpu or cuda.
        threads: of the matrix products; 0 is all cores.
        trust_remote_code: run Python code that comes with the model. Read it first.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    task = parse_gym(dataset.removeprefix("gym:"))
    task = replace(task, system=system or task.system, answer_format=answer_format or task.answer_format)
    lora = parse_adapter(adapter, seed=seed)
    recipe = Recipe(
        name=f"gym-{task.dataset}",
        model=located(model),
        task=task,
        seed=seed,
        schedule=Schedule(steps=steps, checkpoint_every=checkpoint_every, rollouts_every=rollouts_every),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=max_tokens),
        verifying=Verifying(workers=verifier_workers, deadline=deadline, overrun=overrun),
        optimization=Optimization(lr=learning_rate(lr, lora), mini_batches=mini_batches, micro_tokens=micro_tokens),
        engine=LocalEngine(
            dtype=dtype,
            device=device,
            threads=threads,
            rows=rows,
            trust_remote_code=trust_remote_code,
            stops=tuple(stop),
            adapter=lora,
            gradient_checkpointing=gradient_checkpointing,
        ),
        sampler=parse_sampler(sampler),
    )
    return with_methods(recipe, method)
