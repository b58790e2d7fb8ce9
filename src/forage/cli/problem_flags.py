"""The flags that name a table of problems, and the machine, for a checkpoint that may know better."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.turns import environment_of
from forage.engines.local.engine import LocalEngine
from forage.grams.gram_list import load_grams
from forage.recipes.table import settled_template
from forage.tasks.names import parse_task
from forage.tasks.search import parse_environment
from forage.tasks.strategy_modes import with_strategy_modes
from forage.tasks.table import Table, TableFile, overlap_note
from forage.tasks.verifiers import parse_verifier
from forage.tasks.with_environment import with_environment
from forage.tasks.wrapped import Wrapped
from forage.training.checkpoints import Checkpoint


@dataclass(frozen=True, kw_only=True)
class TableFlags:
    """A table of problems. What is not given is that of the run, where it was trained on a table.

    Args:
        data: Table of problems. JSONL, CSV, Parquet, or a folder that `datasets` saved.
        verifier: What checks an answer. One of math, numeric, exact, f1, choice, regex:..., python:module:function.
        prompt_column: Column of the prompt. Text, or chat messages; dots lead into nested columns.
        answer_column: Column of the right answer. The verifier compares with it.
        id_column: Column of the names of problems. Their content names them unless given.
        answer_after: Keep of an answer what stands behind the last such text. #### for GSM8K.
        solution_column: Column of a right response. Methods that show one learn from it (docs/your-own-model.md).
        skip_bad_rows: Leave out rows that cannot be used. Otherwise the first of them are named and nothing begins.
        delimiter: Character between the fields of CSV. The names tab, semicolon and pipe work too.
        encoding: Text encoding of CSV. utf-8, utf-16, cp1252, ...
        system: System prompt. It stands before every problem.
        template: How a prompt is written. chat: by the tokenizer's chat template; none: as plain text; auto: by the
            template where there is one.
        step_ends: Where reasoning steps end. newline, sentence, label (Step 1:), code_line, "words:so wait" (each
            begins a step), or python:module:function.
        modes: What distinguishes right answers. Nothing unless given, answer, or python:module:function
            (docs/diversity.md).
        environment: What answers inside of responses. search:FILE, a table or folder of documents to search, or
            search:results=5,searches=2,documents=FILE (docs/turns.md).
    """

    data: Path | None = None
    verifier: str | None = None
    prompt_column: str | None = None
    answer_column: str | None = None
    id_column: str | None = None
    answer_after: str | None = None
    solution_column: str | None = None
    skip_bad_rows: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    system: str | None = None
    template: Literal["auto", "chat", "none"] | None = None
    step_ends: str | None = None
    modes: str | None = None
    environment: str | None = None

    def given(self) -> dict[str, Any]:
        """The flags that say something."""
        return {name: value for name, value in vars(self).items() if value is not None and value is not False}


@dataclass(frozen=True, kw_only=True)
class EngineFlags:
    """Where and in which numbers the model computes. What is not given is that of the run.

    Args:
        dtype: Number format of the weights.
        device: Where models compute: cpu or cuda.
        rows: Responses sampled at once: memory against speed.
        stop: Text that ends a response, beside the model's own end token. May be given several times.
        trust_remote_code: Run Python code that comes with the model. Read it first.
    """

    dtype: Literal["float32", "bfloat16"] | None = None
    device: str | None = None
    rows: int | None = None
    stop: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    trust_remote_code: bool = False

    def engine(self, engine: LocalEngine) -> LocalEngine:
        """`engine` with what was given."""
        given: Mapping[str, Any] = {
            "dtype": self.dtype,
            "device": self.device,
            "rows": self.rows,
            "stops": self.stop or None,
            "trust_remote_code": self.trust_remote_code or None,
        }
        return replace(engine, **{name: value for name, value in given.items() if value is not None})


def chosen_task(checkpoint: Checkpoint, name: str | None, flags: TableFlags, engine: LocalEngine) -> Task | None:
    """The task that the flags name: a table or a task by its name; None where the checkpoint's own is meant.

    Raises ForageError for flags that contradict one another, or that lack what only they can say.
    """
    if flags.data is None:
        if given := flags.given():
            raise ForageError(f"--{next(iter(given)).replace('_', '-')} goes with --data FILE, the table to read.")
        return parse_task(name) if name else None
    if name:
        raise ForageError("Name a task or a table (--data), not both.")
    own = table_in(checkpoint.task)
    if own is None and flags.verifier is None:
        raise ForageError("Say what checks the answers of this table: --verifier math, numeric, exact, choice, ...")
    verifier = parse_verifier(flags.verifier) if flags.verifier else None
    table = TableFile(path=str(flags.data))
    base = replace(own, train=None, test=table, test_share=0.0) if own else None
    if base is None:
        assert verifier is not None
        base = Table(test=table, verifier=verifier)
    elif verifier is not None:
        base = replace(base, verifier=verifier)
    chosen = _with_flags(base, flags, checkpoint, engine, known=own is not None).settled()
    if flags.environment is not None:
        return with_environment(chosen, parse_environment(flags.environment))
    answering = environment_of(checkpoint.task) if own and checkpoint.task else None
    return with_environment(chosen, answering) if answering else chosen


def table_in(task: Task | None) -> Table | None:
    """The table, where a task is one or lies around one."""
    while isinstance(task, Wrapped):
        task = task.task
    return task if isinstance(task, Table) else None


def with_grams(task: Task | None, grams: str, checkpoint: Checkpoint) -> Task | None:
    """The task with the strategic grams of a list as its modes; as it is without one.

    Raises ForageError where neither the flags nor the checkpoint name a task.
    """
    if not grams:
        return task
    task = task or checkpoint.task
    if task is None:
        raise ForageError("Say which problems: --task NAME. The checkpoint does not say it.")
    return with_strategy_modes(task, load_grams(grams))


def leak_note(checkpoint: Checkpoint, task: Task | None) -> tuple[str, ...]:
    """Whether problems of `task` are among those that the checkpoint was trained on."""
    trained, tested = table_in(checkpoint.task), table_in(task)
    return overlap_note(trained, tested) if trained and tested and trained.train is not None else ()


def _with_flags(table: Table, flags: TableFlags, checkpoint: Checkpoint, engine: LocalEngine, *, known: bool) -> Table:
    columns = {
        "prompt": flags.prompt_column,
        "answer": flags.answer_column,
        "id": flags.id_column,
        "answer_after": flags.answer_after,
        "solution": flags.solution_column,
    }
    written = {"delimiter": flags.delimiter, "encoding": flags.encoding}
    template = flags.template or (None if known else "auto")
    settings: dict[str, Any] = {
        "columns": replace(table.columns, **{name: value for name, value in columns.items() if value is not None}),
        "separated": replace(table.separated, **{name: value for name, value in written.items() if value is not None}),
        "skip_bad_rows": flags.skip_bad_rows or table.skip_bad_rows,
    }
    if flags.system is not None:
        settings["system"] = flags.system
    if flags.step_ends is not None:
        settings["steps"] = flags.step_ends
    if flags.modes is not None:
        settings["modes"] = flags.modes
    if template is not None:
        trusting = engine.trust_remote_code
        settings["template"] = settled_template(template, str(checkpoint.weights), trust_remote_code=trusting)
    return replace(table, **settings)
