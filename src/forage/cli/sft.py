"""`forage sft`: supervised training on examples, before reinforcement learning or after it."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from forage.cli.progress import message_on_interrupt, progress_bar, say, say_rejected
from forage.core.errors import ForageError
from forage.engines.local.engine import LocalEngine
from forage.recipes.own_model import parse_adapter
from forage.recipes.table import settled_template
from forage.tasks.table.separated import Separated
from forage.training.checkpoints import find_checkpoint
from forage.training.examples import Examples, examples_of_run, read_examples
from forage.training.fit import FitSettings
from forage.training.supervised import SupervisedOutcome, SupervisedTraining, train_checkpoint


def sft_command(
    data: Path,
    /,
    *,
    model: Path,
    out: Path,
    fit: FitSettings = FitSettings(epochs=1, batch=8),  # noqa: B008  (frozen)
    learn_from: str = "",
    new_token: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
    prompt_column: str = "prompt",
    response_column: str = "completion",
    system: str = "",
    template: Literal["auto", "chat", "none"] = "auto",
    skip_bad_rows: bool = False,
    delimiter: str = "",
    encoding: str = Separated().encoding,
    adapter: str | None = None,
    gradient_checkpointing: bool = False,
    checkpoint_every: int = 100,
    device: str = "cpu",
    matmul: Literal["auto", "highest", "medium"] = "highest",
    threads: int = 0,
    trust_remote_code: bool = False,
) -> None:
    """Trains a model on examples: prompts and the responses that it shall learn.

    As a warm-up it teaches the form of answers before reinforcement learning; behind it, a policy is carried over to
    other problems. Interrupted or killed, the same command continues, with the same bits.

    Example: forage sft examples.jsonl --model models/base --out models/warm

    Args:
        data: Examples. A table with prompt and completion (JSONL, CSV, Parquet, a folder that `datasets` saved, so also
            one of `forage export --rollouts sft`), or a run directory, whose right responses are learned.
        model: The model to start from. A run directory, a checkpoint, or a model folder.
        out: Where the result is written. A folder to create.
        learn_from: Learn a response from the first such text on. What stands before is read and not learned; responses
            without it are learned whole.
        new_token: Text that becomes a token of its own. May be given several times.
        prompt_column: Column of the prompt. Text, or chat messages; dots lead into nested columns.
        response_column: Column of the response. It is what is learned.
        system: System prompt. It stands before every problem.
        template: How a prompt is written. chat: by the tokenizer's chat template; none: as plain text; auto: by the
            template where there is one.
        skip_bad_rows: Leave out rows that cannot be used. Otherwise the first of them are named and nothing begins.
        delimiter: Character between the fields of CSV. The names tab, semicolon and pipe work too.
        encoding: Text encoding of CSV. utf-8, utf-16, cp1252, ...
        adapter: Train only a low-rank adapter. Examples: lora, lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: Compute layers again in the backward pass: less memory, more time.
        checkpoint_every: Steps between two checkpoints. 0: only when interrupted.
        device: Where models compute: cpu or cuda.
        matmul: Precision of float32 matrix products. Auto measures and takes the fastest that is accurate.
        threads: CPU threads for matrix products. 0: all cores.
        trust_remote_code: Run Python code that comes with the model. Read it first.
    """
    if (data / "recipe.json").is_file():
        examples = examples_of_run(data)
    else:
        examples = read_examples(
            data,
            prompt=prompt_column,
            response=response_column,
            system=system,
            template=_template(template, model, trust_remote_code),
            separated=Separated(delimiter=delimiter, encoding=encoding),
        )
    _check(examples, data, skip_bad_rows)
    engine = LocalEngine(
        device=device,
        matmul=matmul,
        threads=threads,
        trust_remote_code=trust_remote_code,
        adapter=parse_adapter(adapter, seed=fit.seed),
        gradient_checkpointing=gradient_checkpointing,
    )
    kept = message_on_interrupt("Interrupted; all is saved: the same command goes on from here.")
    with kept, progress_bar("train on examples") as move:
        made = train_checkpoint(
            model,
            examples=examples,
            out=out,
            settings=SupervisedTraining(learn_from=learn_from, new_tokens=new_token, **asdict(fit)),
            engine=engine,
            checkpoint_every=checkpoint_every,
            on_update=lambda done, total, loss: move(done, total, f"loss {loss:.4f}"),
        )
    say_rejected((*examples.rejected, *made.rejected))
    say(_sentence(made, out))
    say(f"Next: forage train RECIPE --model {out}, or forage eval {out} --task TASK")


def _template(template: Literal["auto", "chat", "none"], model: Path, trusting: bool) -> Literal["chat", "none"]:
    return settled_template(template, str(find_checkpoint(model).weights), trust_remote_code=trusting)


def _check(examples: Examples, data: Path, skip: bool) -> None:
    if examples.rejected and not skip:
        raise ForageError(
            f"{len(examples.rejected)} rows of {data} cannot be used, the first: {examples.rejected[0]}. Correct them, "
            "or leave them out with --skip-bad-rows."
        )


def _sentence(made: SupervisedOutcome, out: Path) -> str:
    held = "" if math.isnan(made.held_loss) else f" Held out: {made.held_loss:.4f} nats a token ({made.held} examples)."
    return (
        f"{made.examples} examples, {made.tokens} learned tokens, {made.updates} updates, the last with a loss of "
        f"{made.loss:.4f} nats a token.{held} Saved: {out}"
    )


COMMAND = sft_command
