"""A checkpoint, wherever it lies: in a run directory, in a folder of its own, and what is known about it."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from forage.core.atomic import new_directory
from forage.core.errors import ForageError, check_number
from forage.core.protocols import OnProgress, Task
from forage.core.records import Problem, SamplingParams
from forage.core.serialize import decode_part, encode_part
from forage.engines.distributed.process_group import Alone, ProcessGroup
from forage.engines.identity import as_begun, judged_by, sampled_by, work_below
from forage.engines.local.adapters import is_adapter, merge_adapter
from forage.engines.local.engine import LocalEngine
from forage.engines.local.latent_gates import has_gates
from forage.engines.local.model import LocalModel
from forage.engines.out_of_memory import explain_out_of_memory
from forage.engines.turns import open_for
from forage.engines.vllm.sync_weights import sync_weights
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.fingerprint import GATES, fingerprint
from forage.evaluation.names import evaluation_name, home_of, place_for
from forage.store.checkpoint import latest_intact
from forage.store.run_directory import RunDirectory
from forage.tasks.names import file_name, parse_task
from forage.training.evaluate import Subject, evaluate
from forage.training.prompt_limits import within_limits
from forage.training.recipe import Recipe
from forage.verification.judge import Verifying, open_judge

MAX_TOKENS = 120
"""The limit of a response where neither the caller nor a run gives one."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights, and where what is learned about them belongs: `home`, a run or a directory below runs/evals.

    `task` is known for runs and for the base models of toy tasks; so is `max_tokens`, the limit of their responses, for
    most of them.
    """

    weights: Path
    home: Path
    label: str
    task: Task | None = None
    recipe: Recipe | None = None
    step: int | None = None
    max_tokens: int | None = None

    @property
    def engine(self) -> LocalEngine:
        return self.recipe.engine if self.recipe else LocalEngine()

    @property
    def verifying(self) -> Verifying:
        return self.recipe.verifying if self.recipe else Verifying()


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A checkpoint, the task that it is asked about, and the limit of its responses."""

    checkpoint: Checkpoint
    task: Task
    max_tokens: int


def open_checkpoint(path: Path | str, *, task: Task | None = None, max_tokens: int | None = None) -> Opening:
    """The checkpoint at `path` with a task and a limit: those that are given, else its run's own.

    Raises ForageError where there is no checkpoint, and where nothing says which problems it is for.
    """
    checkpoint = find_checkpoint(Path(path))
    task = task or checkpoint.task
    if task is None:
        raise ForageError(f"{path} does not say which problems it is for: name a `task`, as in countdown.")
    return Opening(checkpoint=checkpoint, task=task, max_tokens=max_tokens or checkpoint.max_tokens or MAX_TOKENS)


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
    if not (path / "config.json").exists() and not is_adapter(path):
        raise ForageError(f"{path} is neither a run directory (recipe.json) nor a model folder (config.json).")
    return _of_folder(path)


def evaluate_checkpoint(
    path: Path | str,
    *,
    task: Task | None = None,
    split: str = "test",
    problems: int | None = None,
    n: int = 256,
    temperatures: Sequence[float] = (1.0,),
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int | None = None,
    max_prompt_tokens: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    threads: int | None = None,
    engine: LocalEngine | None = None,
    out: Path | str | None = None,
    on_progress: OnProgress | None = None,
    ranks: ProcessGroup | None = None,
) -> list[Path]:
    """Samples and judges `n` responses per problem at every temperature; returns the evaluations' files.

    `engine` says where and in which numbers the model computes; the run's own unless given. `problems` takes the first
    so many of the split. Evaluations are kept in `out`/evals: in the run itself unless given, and for a model folder
    below runs/evals, as a folder of weights may belong to somebody else. The samples are cached beside them, so an
    interrupted call continues, and a larger `n` only samples what is missing.
    Several processes (`ranks`) share the sampling and the judging; the first of them writes the evaluations.
    """
    ranks = ranks or Alone()
    check_number("n", n, whole=True)
    opening = open_checkpoint(path, task=task, max_tokens=max_tokens)
    checkpoint, task = opening.checkpoint, opening.task
    params = SamplingParams(top_p=top_p, top_k=top_k, max_tokens=opening.max_tokens)
    engine = engine or checkpoint.engine
    engine = engine if threads is None else replace(engine, threads=threads)
    folder = (Path(out) if out is not None else checkpoint.home) / "evals"
    weights = ranks.only_first(partial(fingerprint, checkpoint.weights))
    engine = replace(engine, matmul=ranks.only_first(partial(_matmul, engine, folder / "samples", weights)))
    opened, sampler, _ = open_for(engine, checkpoint.weights, task, ranks=ranks)
    subject = Subject(
        label=checkpoint.label,
        checkpoint=str(checkpoint.weights),
        fingerprint=weights,
        step=checkpoint.step,
        run_seed=checkpoint.recipe.seed if checkpoint.recipe else None,
    )
    verifying = checkpoint.verifying if workers is None else replace(checkpoint.verifying, workers=workers)
    limit = max_prompt_tokens or (checkpoint.recipe.max_prompt_tokens if checkpoint.recipe else None)
    asked = within_limits(
        split_problems(task, split, problems),
        opened.codec,
        max_prompt=limit,
        max_tokens=params.max_tokens,
        context=opened.context,
    )
    files = []
    with open_judge(task, verifying) as judge, explain_out_of_memory("Sample fewer responses at once: lower `rows`."):
        for temperature in temperatures:
            evaluation = evaluate(
                sampler,
                opened.codec,
                judge,
                task,
                asked,
                subject=subject,
                task_json=encode_part(task),
                split=split,
                n=n,
                params=replace(params, temperature=temperature),
                seed=seed,
                cache=folder / "samples",
                sampled_by=sampled_by(engine, task),
                judged_by=judged_by(task, verifying),
                on_progress=on_progress,
                ranks=ranks,
            )
            name = evaluation_name(evaluation, file_name(task, split), first=problems)
            files.append(Path(ranks.only_first(partial(_keep, evaluation, folder / name))))
    return files


def _matmul(engine: LocalEngine, cache: Path, weights: str) -> str:
    """The matrix product of the samples that `cache` holds of these weights, or the one that suits the machine."""
    begun = [about.get("sampled_by") for about in work_below(cache) if about.get("fingerprint") == weights]
    return as_begun(engine, begun).settled().matmul


def split_problems(task: Task, split: str, amount: int | None) -> Sequence[Problem]:
    if split not in ("train", "test"):
        raise ForageError(f"The split is train or test, not {split!r}.")
    if amount is not None and amount < 1:
        raise ForageError(f"There must be at least one problem, not {amount}.")
    return task.problems(split)[:amount]


def _keep(evaluation: Evaluation, path: Path) -> str:
    path = place_for(evaluation, path)
    evaluation.save(path)
    return str(path)


def export_checkpoint(
    path: Path | str,
    *,
    out: Path,
    merge: bool,
    untie: bool = False,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> Path:
    """Writes the weights and the tokenizer of a checkpoint to the new folder `out`, an adapter merged with `merge`.

    With `untie` the vocabulary head is written as weights of its own, as a server needs that will be given new ones.
    Gates go with the weights. Raises ForageError where `out` exists, and where there is nothing to merge.
    """
    checkpoint = find_checkpoint(Path(path))
    if out.exists():
        raise ForageError(f"{out} exists already; nothing in it was changed. Name a folder that does not exist.")
    if merge and not is_adapter(checkpoint.weights):
        raise ForageError(
            f"{checkpoint.weights} holds a whole model, so there is no adapter to merge: do not ask to merge."
        )
    trusting = trust_remote_code or checkpoint.engine.trust_remote_code
    model = LocalModel.load(checkpoint.weights, dtype=dtype or checkpoint.engine.dtype, trust_remote_code=trusting)
    if merge:
        merge_adapter(model.module)
    with new_directory(out) as temporary:
        if untie:
            sync_weights(model, temporary)
        else:
            model.save(temporary)
        if has_gates(checkpoint.weights):
            shutil.copytree(checkpoint.weights / GATES, temporary / GATES)
    return out


def _of_run(run: Path, weights: Path) -> Checkpoint:
    recipe = decode_part(RunDirectory.open(run).recipe(), Recipe)
    step = int(weights.name.removeprefix("step-"))
    return Checkpoint(
        weights=weights,
        home=run,
        label=recipe.label,
        task=recipe.task,
        recipe=recipe,
        step=step,
        max_tokens=recipe.sampling.max_tokens,
    )


def _of_folder(folder: Path) -> Checkpoint:
    """A model folder; where it is a tiny base model, `base.json` says which world it was made for."""
    record = folder / "base.json"
    if not record.exists():
        return Checkpoint(weights=folder, home=home_of(folder), label=folder.name)
    about = json.loads(record.read_text())
    world = about["task"] if "task" in about else f"countdown:size={about['settings']['size']}"
    label = f"base ({world.removeprefix('countdown:size=')})"
    limit = about.get("max_tokens")
    return Checkpoint(
        weights=folder, home=home_of(folder), label=label, task=parse_task(world), max_tokens=limit and int(limit)
    )
