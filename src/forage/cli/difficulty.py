"""`forage difficulty CHECKPOINT`: how many responses each problem takes until one is right."""

from dataclasses import replace
from pathlib import Path

from forage.cli.problem_flags import EngineFlags, TableFlags, chosen_task
from forage.cli.progress import progress_bar, say, say_notes
from forage.cli.tables import Tables
from forage.training.checkpoints import find_checkpoint
from forage.training.difficulty import measure_difficulty


def difficulty_command(
    checkpoint: Path,
    /,
    *,
    task: str | None = None,
    most: int = 40,
    out: Path | None = None,
    source: TableFlags = TableFlags(),  # noqa: B008  (frozen)
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    split: str = "train",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Samples responses to each training problem until one is right, and says how many problems are how hard.

    The file trains by difficulty: `--method difficulty_buckets:file=FILE,buckets=easy+medium` (R1-Searcher).

    Example: forage difficulty runs/first --most 40 --out difficulty.jsonl

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a Hugging Face model folder.
        task: Which task, where the checkpoint does not say. countdown, or countdown:size=experiment.
        most: Responses after which a problem counts as unsolved.
        out: Where the result is written. A file of JSON lines, one for each problem; only printed unless given.
        source: Problems from a table.
        machine: Where the model computes.
        split: Which problems: train or test.
        problems: How many problems. The first of the split; all unless given.
        temperature: Sampling temperature.
        max_tokens: The most tokens of a response. The run's own unless given.
        seed: Random seed. It decides everything that is sampled.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
        json: Print tables as one JSON object.
    """
    named = find_checkpoint(checkpoint)
    engine = machine.engine(named.engine)
    engine = engine if threads is None else replace(engine, threads=threads)
    chosen = chosen_task(named, task, source, engine)
    say_notes(chosen or named.task)
    with progress_bar(f"difficulty {named.label}") as move:
        result = measure_difficulty(
            checkpoint,
            task=chosen,
            split="test" if source.data else split,  # a table that is named is taken whole
            problems=problems,
            most=most,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
            on_progress=move,
        )
    shown = Tables(json=json)
    shown.table("difficulty", result.table())
    shown.finish()
    if out is not None:
        result.save(out)
        say(f"Saved: {out}")


COMMAND = difficulty_command
