"""`forage eval CHECKPOINT`: unbiased pass@k for every k, from one cached and resumable sampling run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forage.cli.lists import Ks, Temperatures, numbers
from forage.cli.problem_flags import EngineFlags, TableFlags, chosen_task, leak_note, with_grams
from forage.cli.progress import message_on_interrupt, progress_bar, say, say_notes
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.engines.distributed.torchrun import open_group
from forage.engines.local.engine import LocalEngine
from forage.evaluation.diversity_tables import diversity_table
from forage.evaluation.estimate import check_ks, small_sample_warning
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.exact import exact_table
from forage.evaluation.tables import curve_table, majority_table
from forage.training.checkpoints import evaluate_checkpoint, find_checkpoint
from forage.training.exact import exact_evaluation


@message_on_interrupt("Interrupted; what was sampled is kept: the same command goes on from there.")
def evaluate_command(
    checkpoint: Path,
    /,
    *,
    task: str | None = None,
    n: int = 256,
    k: Ks = "1,4,16,64,256",
    temperature: Temperatures = "1",
    out: Path | None = None,
    grams: str = "",
    source: TableFlags = TableFlags(),  # noqa: B008  (frozen)
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    split: str = "test",
    problems: int | None = None,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int | None = None,
    max_prompt_tokens: int | None = None,
    seed: int = 0,
    verifier_workers: int | None = None,
    threads: int | None = None,
    exact: bool = False,
    json: bool = False,
) -> None:
    """Samples n responses to every problem and estimates pass@k. pass@1 is mean@n.

    Example: forage eval runs/first --n 64 --k 1,4,16

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a Hugging Face model folder.
        task: Which task, where the checkpoint does not say. Examples: countdown:size=experiment, table:data=FILE,...
        n: Responses per problem. A reliable estimate needs at least twice the largest k.
        k: Numbers of samples k, separated by commas. pass@k is estimated for each.
        temperature: Sampling temperature. Several may be given, separated by commas: colder sampling is a control for
            training.
        out: Where the result is written. A folder that gets evals/; the run itself, and for a model folder one below
            runs/evals, unless given.
        grams: List of strategic grams: a file of `forage grams mine`, or phrases. They distinguish the ways to the
            answer (docs/diversity.md).
        source: Problems from a table.
        machine: Where the model computes.
        split: Which problems: train or test.
        problems: How many problems. The first of the split; all unless given.
        top_p: Nucleus truncation. 1 is none.
        top_k: Truncation to the most probable tokens. 0 is none.
        max_tokens: The most tokens of a response. The run's own unless given.
        max_prompt_tokens: Leave out problems with longer prompts. The run's own limit unless given.
        seed: Random seed. It decides the samples.
        verifier_workers: Processes that check answers. 0: none, or two where the verifier can hang. The run's own
            unless given.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
        exact: Sample nothing. pass@k, distinct@k and PCMD are computed from the model's chances of all answers, where a
            task can list them (docs/toy-tasks.md). --out then names a file; only printed unless given.
        json: Print tables as one JSON object.
    """
    ks, temperatures = [int(value) for value in numbers(k, "--k", whole=True)], numbers(temperature, "--temperature")
    if not exact:
        check_ks(n, ks)
    if not exact and (warning := small_sample_warning(n, ks)):
        say(warning)
    named = find_checkpoint(checkpoint)
    engine = machine.engine(named.engine)
    chosen = with_grams(chosen_task(named, task, source, engine), grams, named)
    say_notes(chosen or named.task)
    for note in leak_note(named, chosen):
        say(note)
    if exact:
        if (top_p, top_k) != (1.0, 0):
            raise ForageError("An exact evaluation is of the whole distribution: leave --top-p and --top-k out.")
        asked = {"split": split, "problems": problems, "ks": ks, "max_tokens": max_tokens, "threads": threads}
        _show_exact(Tables(json=json, out=out), checkpoint, chosen, engine, temperatures, asked)
        return
    with open_group() as ranks, progress_bar(f"eval {named.label}") as move:
        files = evaluate_checkpoint(
            checkpoint,
            task=chosen,
            split=split,
            problems=problems,
            n=n,
            temperatures=temperatures,
            top_p=top_p,
            top_k=top_k,
            max_tokens=max_tokens,
            max_prompt_tokens=max_prompt_tokens,
            seed=seed,
            workers=verifier_workers,
            threads=threads,
            engine=engine,
            out=out,
            on_progress=move,
            ranks=ranks,
        )
    evaluations = [Evaluation.load(file) for file in files]
    labels = {f"{each.label}, T={each.params.temperature:g}": [each] for each in evaluations}
    shown = Tables(json=json)
    shown.curves("levels", curve_table(labels, ks))
    shown.diversity("diversity", diversity_table(labels, ks))
    shown.table("majority", majority_table(labels, ks))
    shown.value("files", [str(file) for file in files])
    shown.finish()
    for file in files:
        say(f"Saved: {file}")


def _show_exact(
    shown: Tables,
    checkpoint: Path,
    task: Task | None,
    engine: LocalEngine,
    temperatures: Sequence[float],
    asked: Mapping[str, Any],
) -> None:
    evaluations = [
        exact_evaluation(checkpoint, task=task, engine=engine, temperature=temperature, **asked)
        for temperature in temperatures
    ]
    named = [
        replace(each, label=f"{each.label}, T={temperature:g}")
        for each, temperature in zip(evaluations, temperatures, strict=True)
    ]
    shown.table("exact", exact_table(named))
    shown.finish()


COMMAND = evaluate_command
