"""`forage prm search`: decoding guided by a process reward model, beside best-of-n at as many tokens."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.cli.problem_flags import EngineFlags
from forage.cli.progress import progress_bar
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.ops.step_scores import Aggregator
from forage.reward_models.prm.guided import guided_search
from forage.reward_models.prm.search import GuidedSearch
from forage.tasks.names import parse_task


def search_command(
    model: Annotated[Path, tyro.conf.Positional],
    checkpoint: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    accept: float = 0.5,
    floor: float = 0.1,
    proposals: int = 4,
    backtracks: int = 4,
    lookahead: int = 16,
    aggregate: Aggregator = "min",
    task: str | None = None,
    split: str = "test",
    problems: int | None = None,
    repeats: int = 4,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    machine: tyro.conf.OmitArgPrefixes[EngineFlags] = EngineFlags(),  # noqa: B008  (frozen)
    out: Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Solves problems step by step: a step that the process model likes is kept, another one is tried again.

    Prints what that solves, beside best-of-n by the same model with as many tokens.

    Args:
        model: a process reward model.
        checkpoint: the policy: a run directory, a checkpoint, or a model folder.
        accept: a step with this score is kept at once; above 1 all proposals are drawn and the best one is kept.
        floor: where no proposal is accepted the best one is kept from this score on; else the search goes back a step.
        proposals: the most samples of one step.
        backtracks: how often a solution may go back a step.
        lookahead: tokens that are sampled at once; 0 samples to the end.
        aggregate: how the scores of steps become one, by which best-of-n chooses: min, last, mean, product, max or sum.
        task: which problems, where the checkpoint does not say: countdown, or countdown:size=experiment.
        split: train or test.
        problems: how many, from the beginning of the split; all unless given.
        repeats: searches of every problem.
        temperature: sampling temperature.
        max_tokens: the most tokens of a whole response; the run's own unless given.
        machine: where both models compute.
        out: a JSON file for the numbers and the solutions.
        seed: random seed of everything that is sampled.
        threads: CPU threads for matrix products; 0: all cores. The run's own unless given.
        as_json: print the table as one JSON object.
    """
    plan = GuidedSearch(accept=accept, floor=floor, proposals=proposals, backtracks=backtracks, lookahead=lookahead)
    console = Console(stderr=True)
    with progress_bar(f"search {checkpoint.name}", console) as move:
        found, solutions = guided_search(
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
    shown = Tables(json=as_json)
    shown.table("search", found.table())
    shown.finish()
    if out is not None:
        rows = [
            {"problem": s.start.problem.id, "text": s.text, "scores": list(s.scores), "tokens": s.sampled}
            for s in solutions
        ]
        write_file(out, json.dumps({**found.to_json(), "solutions": rows}, indent=1, ensure_ascii=False).encode())
        console.print(f"Saved: {out}", highlight=False, markup=False, soft_wrap=True)
