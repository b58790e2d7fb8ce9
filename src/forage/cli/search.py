"""`forage search CHECKPOINT`: decoding controlled by entropy and settled by votes, beside plain sampling."""

from dataclasses import replace
from json import dumps
from pathlib import Path

from forage.cli.problem_flags import EngineFlags, TableFlags, chosen_task
from forage.cli.progress import progress_bar, say, say_notes
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.parts.explore.reasoning_control import ReasoningControl, UncertaintyOf
from forage.training.checkpoints import find_checkpoint
from forage.training.vote_search import vote_search


def search_command(
    checkpoint: Path,
    /,
    *,
    task: str | None = None,
    votes: int = 16,
    repeats: int = 4,
    out: Path | None = None,
    source: TableFlags = TableFlags(),  # noqa: B008  (frozen)
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    roots: float = 0.25,
    epsilon: float = 0.25,
    patience: int = 1,
    uncertainty: UncertaintyOf = "vocabulary",
    split: str = "test",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Solves problems by votes over chains that branch and stop as their uncertainty changes (Entro-duction).

    Prints what that solves, beside votes over plain responses that cost as many tokens, and over the same actions taken
    at random.

    Example: forage search runs/first --votes 16 --problems 32

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a Hugging Face model folder.
        task: Which task, where the checkpoint does not say. countdown, or countdown:size=experiment.
        votes: Responses that vote.
        repeats: Searches of every problem.
        out: Where the result is written. A JSON file for the numbers; only printed unless given.
        source: Problems from a table.
        machine: Where the model computes.
        roots: Share of the responses that begin at the problem. The others branch off them.
        epsilon: Share of the steps at which another action is taken than uncertainty says. 0 to 1.
        patience: Steps for which a stopped chain may still branch.
        uncertainty: Uncertainty of a step. Of the whole vocabulary, or of its chosen tokens' scores as in the paper.
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
    with progress_bar(f"search {named.label}") as move:
        result = vote_search(
            checkpoint,
            plan=ReasoningControl(roots=roots, epsilon=epsilon, patience=patience, uncertainty=uncertainty),
            responses=votes,
            task=chosen,
            split=split,
            problems=problems,
            repeats=repeats,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
            on_progress=move,
        )
    shown = Tables(json=json)
    shown.table("search", result.table())
    shown.finish()
    if out is not None:
        write_file(out, dumps(result.to_json(), indent=1, ensure_ascii=False).encode())
        say(f"Saved: {out}")


COMMAND = search_command
