"""Your own model and your own table of problems as a recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import has_chat_template
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.recipes.own_model import Checker, Place, learning_rate, located, parse_adapter
from forage.tasks.table import Columns, Separated, Template, open_table
from forage.tasks.verifiers import chosen_verifier
from forage.training.recipe import Grouping, Recipe, Schedule, Verifying


def table(
    *,
    model: str,
    data: Place,
    test: Place | None = None,
    test_share: float | None = None,
    verifier: Checker = "math",
    prompt_column: str = "prompt",
    answer_column: str = "answer",
    id_column: str | None = None,
    answer_after: str = "",
    skip_bad_rows: bool = False,
    delimiter: str = "",
    encoding: str = "utf-8",
    system: str = "",
    template: Literal["auto", "chat", "none"] = "auto",
    stop: Sequence[str] = (),
    step_ends: str = "newline",
    modes: str = "",
    max_prompt_tokens: int | None = None,
    max_tokens: int = 1024,
    method: Choices = (),
    seed: int = 0,
    steps: int = 100,
    problems: int = 16,
    group_size: int = 8,
    temperature: float = 1.0,
    lr: float | None = None,
    warmup: int = 0,
    epochs: int = 1,
    mini_batches: int = 2,
    micro_tokens: int = 8192,
    rows: int = 256,
    adapter: str | None = None,
    gradient_checkpointing: bool = False,
    checkpoint_every: int = 20,
    keep_checkpoints: int = 2,
    rollouts_every: int = 20,
    verifier_workers: int = 0,
    deadline: float = 5.0,
    overrun: Literal["wrong", "unjudged"] = "wrong",
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    matmul: Literal["auto", "highest", "medium"] = "auto",
    threads: int = 0,
    trust_remote_code: bool = False,
    sampler: str = "local",
) -> Recipe:
    """Problems from a table of yours, with a model of yours and a verifier.

    Args:
        model: Hugging Face causal model: a folder, or a name on the hub where there is a network.
        data: table of problems: JSONL, CSV, Parquet, or a folder that `datasets` saved.
        test: table of test problems.
        test_share: share of the questions that is held out for testing where there is no test table; 0.1 unless given.
        verifier: what checks an answer: math, numeric, exact, choice, regex:..., python:module:function.
        prompt_column: text, or chat messages; dots lead into nested columns.
        answer_column: what the verifier compares with.
        id_column: names of the problems; their content names them unless given.
        answer_after: keep of an answer what stands behind the last such text (#### for GSM8K).
        skip_bad_rows: leave out rows that cannot be used; otherwise the first of them are named and nothing begins.
        delimiter: character between the fields of CSV, or tab, semicolon, pipe.
        encoding: of CSV: utf-8, utf-16, cp1252, ...
        system: system prompt, before every problem.
        template: chat: the tokenizer's chat template; none: plain text; auto: the template where there is one.
        stop: text that ends a response, beside the model's own end token; may be given several times.
        step_ends: where reasoning steps end: newline, sentence, label (Step 1:), code_line, "words:so wait" (each
            begins a step), python:module:function.
        modes: what tells right answers apart: nothing unless given, answer, or python:module:function (of the problem
            and the text); docs/diversity.md.
        max_prompt_tokens: problems with longer prompts are left out.
        max_tokens: limit of a response.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run and of fresh adapters; which problems are held out does not depend on it.
        steps: reinforcement-learning steps.
        problems: groups per step.
        siblings: responses per group.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW; 1e-6 for all weights and 2e-5 for an adapter unless given.
        warmup: optimizer steps of linear warm-up.
        epochs: passes over a step's responses.
        mini_batches: optimizer steps per pass.
        micro_tokens: padded tokens per forward pass; memory against speed, gradients agree up to rounding.
        rows: responses sampled at once; memory against speed.
        adapter: train a low-rank adapter alone, as lora or lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: compute layers again in the backward pass: less memory, more time.
        checkpoint_every: steps between checkpoints (0: only the last).
        keep_checkpoints: how many checkpoints stay on disk.
        rollouts_every: steps between saved rollouts (0: only the last).
        verifier_workers: processes that check answers; 0 takes some where the verifier can hang, else none.
        deadline: seconds that checking an answer may take.
        overrun: what an answer is whose checking takes more time or memory than it has.
        dtype: numbers of the model; float32 is the default everywhere.
        device: cpu or cuda.
        matmul: float32 matrix product; "auto" measures and takes the fastest that is accurate.
        threads: of the matrix products; 0 is all cores.
        trust_remote_code: run Python code that comes with the model. Read it first.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    model, lora = located(model), parse_adapter(adapter, seed=seed)
    task = open_table(
        Path(data),
        test=Path(test) if test else None,
        test_share=test_share,
        verifier=chosen_verifier(verifier),
        columns=Columns(prompt=prompt_column, answer=answer_column, id=id_column, answer_after=answer_after),
        separated=Separated(delimiter=delimiter, encoding=encoding),
        system=system,
        template=settled_template(template, model, trust_remote_code=trust_remote_code),
        steps=step_ends,
        skip_bad_rows=skip_bad_rows,
        modes=modes,
    )
    task.step_ends(["-"])  # a function of the user's own is found now, or never
    recipe = Recipe(
        name=Path(data).stem,
        model=model,
        task=task,
        seed=seed,
        schedule=Schedule(
            steps=steps,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            rollouts_every=rollouts_every,
        ),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=max_tokens),
        max_prompt_tokens=max_prompt_tokens,
        verifying=Verifying(workers=verifier_workers, deadline=deadline, overrun=overrun),
        optimization=Optimization(
            lr=learning_rate(lr, lora),
            warmup=warmup,
            epochs=epochs,
            mini_batches=mini_batches,
            micro_tokens=micro_tokens,
        ),
        engine=LocalEngine(
            dtype=dtype,
            device=device,
            matmul=matmul,
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


def settled_template(template: Literal["auto", "chat", "none"], model: str, *, trust_remote_code: bool) -> Template:
    """`auto` as what it means for this model's tokenizer."""
    if template != "auto":
        return template
    return "chat" if has_chat_template(model, trust_remote_code=trust_remote_code) else "none"
