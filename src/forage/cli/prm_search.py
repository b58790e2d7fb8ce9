"""`forage prm search`: decoding guided by a process reward model, beside best-of-n at as many tokens."""

from json import dumps
from pathlib import Path

from forage.cli.problem_flags import EngineFlags
from forage.cli.progress import progress_bar, say
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.ops.step_scores import Aggregator
from forage.reward_models.prm.guided import guided_search
from forage.reward_models.prm.search import GuidedSearch
from forage.tasks.names import parse_task


def search_command(
    model: Path,
    checkpoint: Path,
    /,
    *,
    task: str | None = None,
    repeats: int = 4,
    aggregate: Aggregator = "min",
    out: Path | None = None,
    json: bool = False,
    accept: float = 0.5,
    floor: float = 0.1,
    proposals: int = 4,
    backtracks: int = 4,
    lookahead: int = 16,
    split: str = "test",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Solves problems step by step: a step that the process model likes is kept, another one is tried again.

    Prints what that solves, beside best-of-n by the same model with as many tokens.

    Example: forage prm search models/prm runs/first --problems 20

    Args:
        model: A process reward model.
        checkpoint: The policy: a run directory, a checkpoint, or a model folder.
        task: Which task, where the checkpoint does not say. countdown, or countdown:size=experiment.
        repeats: Searches of every problem.
        aggregate: How the scores of steps become one: min, last, mean, product, max or sum. Best-of-n chooses by it.
        out: Where the result is written. A JSON file for the numbers and the solutions; only printed unless given.
        json: Print tables as one JSON object.
        accept: Score from which a step is kept at once. Above 1, all proposals are drawn and the best one is kept.
        floor: Score from which the best proposal is kept where none is accepted. Below it, the search goes back a step.
        proposals: The most samples of one step.
        backtracks: How often a solution may go back a step.
        lookahead: Tokens that are sampled at once. 0 samples to the end.
        split: Which problems: train or test.
        problems: How many problems. The first of the split; all unless given.
        temperature: Sampling temperature.
        max_tokens: The most tokens of a response. The run's own unless given.
        machine: Where both models compute.
        seed: Random seed. It decides everything that is sampled.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
    """
    plan = GuidedSearch(accept=accept, floor=floor, proposals=proposals, backtracks=backtracks, lookahead=lookahead)
    with progress_bar(f"search {checkpoint.name}") as move:
        result, solutions = guided_search(
            model,
            checkpoint,
            plan=plan,
            how=aggregate,
            task=parse_task(task) if task else None,
            split=split,
            problems=problems,
            repeats=repeats,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            threads=threads,
            machine=machine.engine,
            on_progress=move,
        )
    shown = Tables(json=json)
    shown.table("search", result.table())
    shown.finish()
    if out is not None:
        rows = [
            {"problem": s.start.problem.id, "text": s.text, "scores": list(s.scores), "tokens": s.sampled}
            for s in solutions
        ]
        write_file(out, dumps({**result.to_json(), "solutions": rows}, indent=1, ensure_ascii=False).encode())
        say(f"Saved: {out}")
