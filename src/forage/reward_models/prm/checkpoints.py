"""Process models and checkpoints: which weights label, which are trained, and whose samples are ranked."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task
from forage.core.serialize import decode_part
from forage.engines.local.adapters import is_adapter, merge_adapter
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.engines.local.step_heads import HeadKind
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.fingerprint import fingerprint
from forage.ops.step_scores import Aggregator
from forage.reward_models.prm.calibration import Calibration, calibrate
from forage.reward_models.prm.formats import TaggedSolution
from forage.reward_models.prm.rank import BestOfNResult, rank, score_samples
from forage.reward_models.prm.train import ProcessOutcome, ProcessTraining, train_process_model
from forage.training.checkpoints import find_checkpoint
from forage.training.evaluate import iterate_samples
from forage.training.fit import OnUpdate
from forage.training.resumable import resumable

CALIBRATION = "calibration.json"
"""Beside the weights of a process model: what its training did, and its calibration on held-out labels."""


def train_checkpoint(
    path: Path,
    *,
    solutions: Sequence[TaggedSolution],
    out: Path,
    settings: ProcessTraining,
    labels: Mapping[str, Any] | None = None,
    head: HeadKind = "two-token",
    checkpoint_every: int = 100,
    device: str = "cpu",
    threads: int | None = None,
    on_update: OnUpdate | None = None,
) -> ProcessOutcome:
    """Trains a process model that begins as the checkpoint at `path`, and writes it to `out`, which must be new.

    Interrupted or killed, the same call continues from its last checkpoint (every `checkpoint_every` updates) in
    `OUT-unfinished`, with the same bits. What training found out about held-out labels is in OUT/calibration.json, and
    `labels` (JSON: how the labels were made of counts) in the model's record.
    """
    checkpoint = find_checkpoint(path)
    _set_threads(threads)
    asked = {"settings": asdict(settings), "head": head, "model": fingerprint(checkpoint.weights), "device": device}
    with resumable(out, asked | {"labels": _digest(solutions)}, every=checkpoint_every) as work:
        process, checkpointing = work.open(
            lambda: ProcessModel.from_causal(_load_whole(checkpoint.weights, device), head=head),
            lambda saved: ProcessModel.load(saved, device=device),
        )
        outcome = train_process_model(process, solutions, settings, checkpointing=checkpointing, on_update=on_update)
        process.about |= {"initialized_from": checkpoint.label, "labels": dict(labels or {})}
        with work.finished() as directory:
            process.save(directory)
            (directory / CALIBRATION).write_text(json.dumps(outcome.to_json(), indent=1))
    return outcome


def read_calibration(path: Path) -> dict[str, Any] | None:
    """What the training of the process model at `path` found out about held-out labels; None where it does not say."""
    try:
        content = json.loads((path / CALIBRATION).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("calibration") else None


def _load_whole(weights: Path, device: str) -> LocalModel:
    """The model, an adapter merged into it: the tag's embedding is new, and an adapter alone would not keep it."""
    model = LocalModel.load(weights, device=device)
    if is_adapter(weights):
        merge_adapter(model.module)
    return model


def _digest(solutions: Sequence[TaggedSolution]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for solution in solutions:
        content = repr((solution.prompt, solution.steps, solution.values))
        digest.update(content.encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of every step of every solution, and how they compare with the labels (None without labels)."""

    scores: tuple[tuple[float, ...], ...]
    calibration: Calibration | None


def score_solutions(
    path: Path,
    solutions: Sequence[TaggedSolution],
    *,
    device: str = "cpu",
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Scored:
    """Scores the steps of `solutions` with the process model at `path`."""
    _set_threads(threads)
    process = ProcessModel.load(path, device=device)
    scores = process.scores([(solution.prompt, solution.steps) for solution in solutions], on_progress)
    pairs = [
        (score, value)
        for row, solution in zip(scores, solutions, strict=True)
        for score, value in zip(row, solution.values, strict=True)
        if not math.isnan(value)
    ]
    return Scored(tuple(scores), calibrate(*np.array(pairs).T) if pairs else None)


def rank_evaluation(
    process: Path,
    file: Path,
    *,
    ns: Sequence[int],
    how: Sequence[Aggregator],
    outcome: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> BestOfNResult:
    """What the process model's choices are worth among the cached samples of a finished evaluation."""
    evaluation = Evaluation.load(file)
    if max(ns) > evaluation.n:
        raise ForageError(f"{file} has {evaluation.n} samples per problem, fewer than n = {max(ns)}.")
    _set_threads(threads)
    model = ProcessModel.load(process, device=device)
    task = decode_part(dict(evaluation.task), Task)
    every = {problem.id: problem for problem in task.problems("test" if evaluation.split == "test" else "train")}
    problems = [every[outcome.problem] for outcome in evaluation.problems]
    samples = iterate_samples(file.parent / "samples", problems, evaluation)
    whole = ProcessModel.load(outcome, device=device) if outcome else None
    candidates = score_samples(model, task, problems, samples, whole, on_progress)
    return rank(candidates, ns, how, vote=how[0], seed=seed)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
