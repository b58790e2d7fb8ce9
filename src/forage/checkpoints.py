"""A checkpoint, wherever it lies: in a run directory, in a folder of its own, and what is known about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from forage.engines.judge import open_judge
from forage.engines.local.engine import LocalEngine
from forage.engines.ranks.ranks import Alone, Ranks
from forage.errors import ForageError
from forage.evals.evaluation import Evaluation
from forage.evals.fingerprint import fingerprint
from forage.evaluate import Subject, evaluate
from forage.part_json import decode_part, encode_part
from forage.protocols import OnProgress, Task
from forage.recipe import Recipe, Verifying
from forage.records import SamplingParams
from forage.store.checkpoint import latest_intact
from forage.store.run_directory import RunDirectory
from forage.tasks.names import parse_task


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights, and where what is learned about them belongs (`home`). `task` is known for runs and for lab bases."""

    weights: Path
    home: Path
    label: str
    task: Task | None = None
    recipe: Recipe | None = None
    step: int | None = None

    @property
    def engine(self) -> LocalEngine:
        return self.recipe.engine if self.recipe else LocalEngine()

    @property
    def max_tokens(self) -> int | None:
        return self.recipe.sampling.max_tokens if self.recipe else None


def find_checkpoint(path: Path) -> Checkpoint:
    """The newest checkpoint of a run directory, a checkpoint inside one, or any Hugging Face model folder.

    Raises ForageError, saying what was looked for, where there is none.
    """
    if not path.exists():
        raise ForageError(f"{path} does not exist. Name a run directory, a checkpoint in one, or a model folder.")
    if (path / "recipe.json").exists():
        newest = latest_intact(path / "checkpoints")
        if newest is None:
            raise ForageError(f"The run {path} has no checkpoint yet: go on with `forage resume {path}`.")
        return _of_run(path, newest)
    if path.parent.name == "checkpoints" and (path.parent.parent / "recipe.json").exists():
        return _of_run(path.parent.parent, path)
    if not (path / "config.json").exists():
        raise ForageError(f"{path} is neither a run directory (recipe.json) nor a model folder (config.json).")
    return _of_folder(path)


def evaluate_checkpoint(
    path: Path | str,
    *,
    task: Task | None = None,
    split: str = "test",
    n: int = 256,
    temperatures: Sequence[float] = (1.0,),
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
    ranks: Ranks | None = None,
) -> list[Path]:
    """Samples and judges `n` responses per problem at every temperature; returns the evaluations' files.

    The samples are cached beside them, so an interrupted call continues, and a larger `n` only samples what is missing.
    Several processes (`ranks`) share the sampling and the judging; the first of them writes the evaluations.
    """
    ranks = ranks or Alone()
    found = find_checkpoint(Path(path))
    task = task or found.task
    if task is None:
        raise ForageError(f"{path} does not say which problems it is for: name them, as in --task countdown.")
    if split not in ("train", "test"):
        raise ForageError(f"The split is train or test, not {split!r}.")
    params = SamplingParams(top_p=top_p, top_k=top_k, max_tokens=max_tokens or found.max_tokens or 120)
    engine = found.engine if threads is None else replace(found.engine, threads=threads)
    opened = engine.open(str(found.weights), ranks=ranks)
    subject = Subject(
        label=found.label,
        checkpoint=str(found.weights),
        fingerprint=ranks.only_first(lambda: fingerprint(found.weights)),
        step=found.step,
        run_seed=found.recipe.seed if found.recipe else None,
    )
    verifying = found.recipe.verifying if found.recipe else Verifying()
    verifying = verifying if workers is None else replace(verifying, workers=workers)
    files = []
    with open_judge(task, verifying) as judge:
        for temperature in temperatures:
            evaluation = evaluate(
                opened.sampler,
                opened.codec,
                judge,
                task,
                task.problems(split),
                subject=subject,
                task_json=encode_part(task),
                split=split,
                n=n,
                params=replace(params, temperature=temperature),
                seed=seed,
                cache=found.home / "evals" / "samples",
                on_progress=on_progress,
                ranks=ranks,
            )
            file = found.home / "evals" / evaluation_name(evaluation)
            ranks.only_first(partial(evaluation.save, file))
            files.append(file)
    return files


def evaluation_name(evaluation: Evaluation) -> str:
    step = "" if evaluation.step is None else f"-step{evaluation.step:06d}"
    params = evaluation.params
    cut = (f"-p{params.top_p:g}" if params.top_p < 1 else "") + (f"-k{params.top_k}" if params.top_k else "")
    return f"{evaluation.split}{step}-T{params.temperature:g}{cut}-n{evaluation.n}-seed{evaluation.seed}.json"


def _of_run(run: Path, weights: Path) -> Checkpoint:
    recipe = decode_part(RunDirectory.open(run).recipe(), Recipe)
    step = int(weights.name.removeprefix("step-"))
    return Checkpoint(weights=weights, home=run, label=recipe.label, task=recipe.task, recipe=recipe, step=step)


def _of_folder(folder: Path) -> Checkpoint:
    """A model folder; where it is a base model of the lab, `base.json` says which task it was made for."""
    record = folder / "base.json"
    if not record.exists():
        return Checkpoint(weights=folder, home=folder, label=folder.name)
    size = json.loads(record.read_text())["settings"]["size"]
    return Checkpoint(weights=folder, home=folder, label=f"base ({size})", task=parse_task(f"countdown:size={size}"))
