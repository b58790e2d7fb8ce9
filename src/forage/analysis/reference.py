"""How sure the policies of a run are of one text that never changes: the correct responses of some run's beginning.

Perplexity on a policy's own texts mixes two things, because the texts change with the policy: a policy that writes
simpler texts looks surer. On a fixed text only the policy moves. The price is a text that later policies may no longer
write, and that only the policies whose weights were kept can read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forage.analysis.measures.contrast import DRAWS, mean_draws
from forage.analysis.measures.phases import Phases, find_phases
from forage.analysis.measures.responses import Bools, Floats, Ints, Response, given_of, problem_numbers, read_responses
from forage.analysis.measures.strategy import StepStrategy
from forage.analysis.record import Reference, ReferencePoint
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Codec, OnProgress
from forage.core.records import Group, Origin, Problem, Rollout, Score, Start
from forage.core.serialize import decode_part
from forage.core.spans import own_pieces, steps_around
from forage.grams.strategies import Strategies
from forage.ops.resampling import Interval, percentile_interval
from forage.store.checkpoint import checkpoint_path, checkpoint_steps
from forage.store.run_directory import RunDirectory
from forage.training.recipe import Recipe

RESPONSES = 256
"""Responses of the reference text, at most."""

PLANNING, EXECUTION = 0, 1


@dataclass(frozen=True, kw_only=True)
class Text:
    """R correct responses as rollouts of their problems, and as the analyzes read them, in the same order."""

    source: str
    rollouts: tuple[Rollout, ...]
    responses: tuple[Response, ...]


def score_reference(
    run: RunDirectory,
    source: RunDirectory,
    strategies: Strategies,
    steps: Sequence[StepStrategy],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Reference:
    """Scores the correct responses in the earliest rollouts of `source` by the start and every checkpoint of `run`.

    Probabilities are at the run's sampling temperature. All policies read the same responses, so each draw of the
    bootstrap resamples the same problems for all of them, and ratios are paired. Raises ForageError where there is no
    correct response or no checkpoint, and where the run's tokenizer reads the text otherwise.
    """
    recipe = decode_part(run.recipe(), Recipe)
    text = reference_text(source)
    weights = {0: Path(recipe.model)} | {
        step: checkpoint_path(run.path / "checkpoints", step) for step in checkpoint_steps(run.path / "checkpoints")
    }
    if len(weights) == 1:
        raise ForageError(f"The run {run.path} has kept no checkpoint, so no policy can read a reference text.")
    planning = np.concatenate([r.mark(span for _, span in strategies.occurrences(r.text)) for r in text.responses])
    problem = np.repeat(problem_numbers(text.responses), [len(response.pieces) for response in text.responses])
    nll: dict[int, Floats] = {}
    for number, (step, path) in enumerate(weights.items()):
        nll[step] = _score(recipe, path, text)
        if on_progress:
            on_progress(number + 1, len(weights), "reference text")
    by_step = {step: _by_class(values, planning, problem, draws=draws, seed=seed) for step, values in nll.items()}
    return Reference(
        source=text.source,
        responses=len(text.responses),
        problems=len(np.unique(problem)),
        planning=int(planning.sum()),
        execution=int((~planning).sum()),
        points=tuple(
            ReferencePoint(
                step=step,
                planning=_relative(classes[PLANNING], by_step[0][PLANNING]),
                execution=_relative(classes[EXECUTION], by_step[0][EXECUTION]),
            )
            for step, classes in by_step.items()
        ),
        phases=_phases({step: classes[EXECUTION][1] for step, classes in by_step.items()}, steps),
    )


def reference_text(source: RunDirectory, *, limit: int = RESPONSES) -> Text:
    """Correct responses of the earliest rollouts of a run, each once, every problem's first before its second ones."""
    task = decode_part(source.recipe(), Recipe).task
    problems = {problem.id: problem for problem in task.problems("train")}
    for step in source.rollout_steps():
        rows = _spread(row for row in source.rollouts(step) if row["correct"] == 1 and row["problem"] in problems)
        if chosen := rows[:limit]:
            return Text(
                source=f"the correct responses of step {step} of {source.path.name}",
                rollouts=tuple(_rollout(row, problems[row["problem"]]) for row in chosen),
                responses=read_responses(chosen),
            )
    raise ForageError(f"The run {source.path} has kept no correct response, so it cannot be the reference text.")


def _spread(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[tuple[str, tuple[int, ...]]] = set()
    rank: dict[str, int] = {}
    kept = []
    for row in rows:
        key = (row["problem"], (*row["prefix"], *row["tokens"]))
        if key not in seen and row["tokens"]:
            seen.add(key)
            rank[row["problem"]] = rank.get(row["problem"], 0) + 1
            kept.append((rank[row["problem"]], row))
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])]


def _rollout(row: dict[str, Any], problem: Problem) -> Rollout:
    prefix = tuple(row["prefix"])
    return Rollout(
        start=Start(problem, prefix, Origin.REPLAY if prefix else Origin.POLICY),
        tokens=tuple(row["tokens"]),
        logprobs=tuple(row["logprobs"]),
        entropies=tuple(row["entropies"]),
        text=row["text"],
        step_ends=steps_around((len(row["tokens"]),), given_of(row)),
        stop=row["stop"],
        version=0,
        given=given_of(row),
    )


def _score(recipe: Recipe, weights: Path, text: Text) -> Floats:
    """(N,) negative log-likelihood of the tokens of the text, response after response, under these weights."""
    opened = recipe.engine.open(str(weights), optimization=recipe.optimization, temperature=recipe.sampling.temperature)
    _check_tokens(opened.codec, text, weights)
    groups = [Group(rollout.start, (rollout,), (Score(1.0),)) for rollout in text.rollouts]
    batch = collate(groups, opened.codec.prompt)
    return -opened.policy.measure(batch).logprob[batch.loss_mask].double().numpy()


def _check_tokens(codec: Codec, text: Text, weights: Path) -> None:
    for rollout, response in zip(text.rollouts, text.responses, strict=True):
        prefix = rollout.start.prefix
        pieces = codec.pieces(prefix + rollout.tokens)[len(prefix) :]
        if own_pieces(pieces, rollout.given) != response.pieces:
            raise ForageError(
                f"The reference text, {text.source}, was written with another tokenizer than that of {weights}, which "
                "cannot be asked about it. Name a run of the same base model."
            )


def _by_class(
    nll: Floats, planning: Bools, problem: Ints, *, draws: int, seed: int
) -> tuple[tuple[float, Floats], tuple[float, Floats]]:
    """Mean NLL and its (D,) draws: of planning, and of execution tokens."""
    sides = (planning, ~planning)
    means = [mean_draws(nll[side], problem[side], draws=draws, seed=seed) for side in sides]
    return means[0], means[1]


def _relative(now: tuple[float, Floats], start: tuple[float, Floats]) -> Interval | None:
    if not np.isfinite(now[0] - start[0]):
        return None
    return percentile_interval(float(np.exp(now[0] - start[0])), np.exp(now[1] - start[1]))


def _phases(execution: dict[int, Floats], steps: Sequence[StepStrategy]) -> Phases | None:
    """From the steps that have both a checkpoint and rollouts. The diversity's problems are other ones: unpaired."""
    diversity = {step.step: np.roll(step.diversity_draws, number) for number, step in enumerate(steps)}
    common = sorted(execution.keys() & diversity.keys())
    if not common:
        return None
    return find_phases(
        np.array(common, dtype=np.float64),
        np.stack([execution[step] for step in common]),
        np.stack([diversity[step] for step in common]),
    )
