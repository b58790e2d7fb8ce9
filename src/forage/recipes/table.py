"""Your own model and your own table of problems as a recipe."""

from pathlib import Path
from typing import Literal, Unpack

from forage.engines.local.model import has_chat_template
from forage.recipes.compose import compose, recipe
from forage.recipes.own_model import Answering, Checker, Place, required
from forage.recipes.settings import Settings
from forage.tasks.search import chosen_environment
from forage.tasks.table import Columns, Separated, Template, open_table
from forage.tasks.verifiers import chosen_verifier
from forage.tasks.with_environment import with_environment
from forage.training.recipe import Recipe


@recipe({})
def table(
    *,
    data: Place,
    test: Place | None = None,
    test_share: float | None = None,
    verifier: Checker = "math",
    prompt_column: str = "prompt",
    answer_column: str = "answer",
    id_column: str | None = None,
    answer_after: str = "",
    solution_column: str = "",
    skip_bad_rows: bool = False,
    delimiter: str = "",
    encoding: str = "utf-8",
    system: str = "",
    template: Literal["auto", "chat", "none"] = "auto",
    step_ends: str = "newline",
    modes: str = "",
    environment: Answering | None = None,
    **settings: Unpack[Settings],
) -> Recipe:
    """Problems from a table of yours, with a model of yours and a verifier.

    Args:
        data: Table of problems. JSONL, CSV, Parquet, or a folder that `datasets` saved.
        test: Table of test problems.
        test_share: Share of the questions that is held out for testing where there is no test table. 0.1 unless given.
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
        modes: What distinguishes right answers. Nothing unless given, answer, or python:module:function (of the problem
            and the text); docs/diversity.md.
        environment: What answers inside of responses. search:FILE, a table or folder of documents to search, or
            search:results=5,searches=2,documents=FILE (docs/turns.md).
    """
    model = required(settings.get("model"), "table")
    task = open_table(
        Path(data),
        test=Path(test) if test else None,
        test_share=test_share,
        verifier=chosen_verifier(verifier),
        columns=Columns(
            prompt=prompt_column,
            answer=answer_column,
            id=id_column,
            answer_after=answer_after,
            solution=solution_column,
        ),
        separated=Separated(delimiter=delimiter, encoding=encoding),
        system=system,
        template=settled_template(template, model, trust_remote_code=settings.get("trust_remote_code", False)),
        steps=step_ends,
        skip_bad_rows=skip_bad_rows,
        modes=modes,
    )
    task.step_ends(["-"])  # a function of the user's own is found now, or never
    answered = task if environment is None else with_environment(task, chosen_environment(environment))
    return compose(name=Path(data).stem, task=answered, settings=settings)


def settled_template(template: Literal["auto", "chat", "none"], model: str, *, trust_remote_code: bool) -> Template:
    """`auto` as what it means for this model's tokenizer."""
    if template != "auto":
        return template
    return "chat" if has_chat_template(model, trust_remote_code=trust_remote_code) else "none"
