"""The tiny code world as a recipe: programs, judged by unit tests in processes that can be killed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from forage.base_models.code import build_code_base
from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.recipes.own_model import Place, located, parse_adapter
from forage.tasks.code import TinyCode
from forage.tasks.code.file import CodeFile
from forage.training.recipe import Grouping, Recipe, Schedule, Verifying


def code(
    *,
    lines: int = 2,
    data: Place | None = None,
    test_data: Place | None = None,
    model: str | None = None,
    method: Choices = (),
    seed: int = 0,
    steps: int = 60,
    problems: int = 8,
    group_size: int = 16,
    train_problems: int = 96,
    max_tokens: int = 40,
    stop: Sequence[str] = (),
    temperature: float = 1.0,
    lr: float = 4e-4,
    mini_batches: int = 2,
    micro_tokens: int = 4096,
    rows: int = 256,
    adapter: str | None = None,
    gradient_checkpointing: bool = False,
    checkpoint_every: int = 20,
    rollouts_every: int = 20,
    verifier_workers: int = 1,
    deadline: float = 10.0,
    overrun: Literal["wrong", "unjudged"] = "wrong",
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    threads: int = 0,
    trust_remote_code: bool = False,
    sampler: str = "local",
) -> Recipe:
    """Small integer functions: write the program whose results the prompt shows; unit tests decide.

    Args:
        lines: lines of the wanted functions.
        data: a file of code problems to train on instead (JSON Lines, as APPS writes them); wants a model.
        test_data: the problems of its evaluations.
        model: checkpoint to start from; the tiny base of this world (built once, then cached) unless given.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run; the base model and the test problems do not depend on it.
        steps: reinforcement-learning steps.
        problems: groups per step.
        siblings: responses per group.
        train_problems: size of the training pool.
        max_tokens: limit of a response.
        stop: text that ends a response, beside the model's own end token; may be given several times.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW.
        mini_batches: optimizer steps per step.
        micro_tokens: padded tokens per forward pass.
        rows: responses sampled at once; memory against speed.
        adapter: train a low-rank adapter alone, as lora or lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: compute layers again in the backward pass: less memory, more time.
        checkpoint_every: steps between checkpoints (0: only the last).
        rollouts_every: steps between saved rollouts (0: only the last).
        verifier_workers: processes that run programs; at least one is used.
        deadline: seconds that checking an answer may take; a program has one second of processor time.
        overrun: what an answer is whose checking takes more time or memory than it has.
        dtype: numbers of the model.
        device: cpu or cuda.
        threads: of the matrix products; 0 is all cores.
        trust_remote_code: run Python code that comes with the model. Read it first.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    if data is not None:
        if model is None or test_data is None:
            raise ForageError(
                "Code problems from a file want a model and problems to evaluate on: --model, --test-data."
            )
        train, test = Path(data).resolve(), Path(test_data).resolve()
        name, task = f"code-{train.stem}", CodeFile(train=train, test=test)
    else:
        name, task = f"code-{lines}-lines", TinyCode(lines=lines, train_problems=train_problems)
    recipe = Recipe(
        name=name,
        model=located(model) if model else str(build_code_base(lines=lines)),
        task=task,
        seed=seed,
        schedule=Schedule(steps=steps, checkpoint_every=checkpoint_every, rollouts_every=rollouts_every),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=max_tokens),
        verifying=Verifying(workers=verifier_workers, deadline=deadline, overrun=overrun),
        optimization=Optimization(lr=lr, mini_batches=mini_batches, micro_tokens=micro_tokens),
        engine=LocalEngine(
            dtype=dtype,
            device=device,
            threads=threads,
            rows=rows,
            trust_remote_code=trust_remote_code,
            stops=tuple(stop),
            adapter=parse_adapter(adapter, seed=seed),
            gradient_checkpointing=gradient_checkpointing,
        ),
        sampler=parse_sampler(sampler),
    )
    return with_methods(recipe, method)
