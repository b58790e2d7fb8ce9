"""Reads a run and puts every analysis together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from forage.analysis.measures.alarms import entropy_alarms
from forage.analysis.measures.contrast import DRAWS
from forage.analysis.measures.entropy_profile import entropy_profile
from forage.analysis.measures.phases import Phases, find_phases
from forage.analysis.measures.pivotal import pivotal_tokens
from forage.analysis.measures.rare import RareSentences, rare_sentences
from forage.analysis.measures.reflective import Sentence, reflective_sentences, sentences_of
from forage.analysis.measures.responses import Response, read_responses
from forage.analysis.measures.reward_hacking import hacking_alarm
from forage.analysis.measures.sentences import sentence_spans
from forage.analysis.measures.strategy import (
    StepStrategy,
    distinct_strategies,
    diversity_at,
    following_entropy,
    relative_perplexity,
    step_strategy,
)
from forage.analysis.measures.token_classes import WordList, word_list
from forage.analysis.record import Analysis, GramsUsed, StrategyPoint
from forage.analysis.reference import score_reference
from forage.analysis.track import track_point
from forage.core.errors import ForageError
from forage.core.protocols import OnProgress
from forage.evaluation.external_run import ExternalRun, sample_files
from forage.evaluation.names import sample_folders
from forage.evaluation.texts import sampled_texts
from forage.grams.gram_list import GramList
from forage.grams.mining.embedding import Embedder, TfIdf
from forage.grams.strategies import Strategies, Support
from forage.store.run_directory import RunDirectory

BASE_TEXTS = 4000
"""Base responses that are read at most."""

COMMON = 12
"""Bins named in each strategy point."""


Analyzed = RunDirectory | ExternalRun
"""What keeps rollouts by step: a run, or what another trainer left behind."""


@dataclass(frozen=True, kw_only=True)
class Grams:
    """A list of grams to use, where it came from, and whether clusters or single grams are counted."""

    grams: GramList
    source: str
    support: Support = "clusters"


def analyze(
    run: Analyzed,
    *,
    step: int | None = None,
    base: Path | None = None,
    grams: Grams | None = None,
    reference: Path | None = None,
    words: WordList | None = None,
    embed: Embedder | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Analysis:
    """All analyzes of the rollouts that a run has kept: tables about one step (the last unless given), curves over all.

    `base` is what rare sentences are measured against: a run (its last rollouts) or a model folder (its evaluation
    samples); without it, this run's own earliest rollouts. `reference` is a run (this one, or one that others are
    compared with) whose earliest correct responses every kept checkpoint scores; it needs `grams`. Raises ForageError
    where the run kept no rollouts, and for a reference text where another trainer's samples have no checkpoints.
    """
    if reference and isinstance(run, ExternalRun):
        raise ForageError("A reference text is scored by checkpoints, and samples of other tools have none.")
    steps = run.rollout_steps()
    if not steps:
        raise ForageError(
            f"The run {run.path} has kept no rollouts, so there is nothing to analyze. Train with "
            "rollouts written (schedule.rollouts_every above 0), or wait for the first of them."
        )
    if reference and grams is None:
        raise ForageError("A reference text needs strategic grams, to tell planning from execution: give `grams`.")
    shown = step if step is not None else steps[-1]
    words = words or default_words(run)
    used = Strategies.of(grams.grams, support=grams.support) if grams else None
    track, strategies, shown_responses, sentences = [], [], (), []
    for number, at in enumerate(sorted({*steps, shown})):
        responses = read_responses(run.rollouts(at))
        cut = sentences_of(responses, starts=words.sentence_starts)
        if responses:
            track.append(track_point(responses, cut, words, step=at, draws=draws, seed=seed))
        if used and responses:
            strategies.append(step_strategy(responses, used, step=at, draws=draws, seed=seed))
        if at == shown:
            shown_responses, sentences = responses, cut
        if on_progress:
            on_progress(number + 1, len(steps), f"step {at}")
    if not shown_responses:
        raise ForageError(f"The rollouts of step {shown} of {run.path} hold no response with a token in it.")
    rare, against, notes = _rare(run, sentences, base, shown, words, embed or TfIdf(), draws=draws, seed=seed)
    text = RunDirectory.open(reference) if used and reference else None
    return Analysis(
        run=run.path.name,
        step=shown,
        words=words.id,
        pivotal=pivotal_tokens(shown_responses, words, draws=draws, seed=seed),
        reflective=reflective_sentences(sentences, draws=draws, seed=seed),
        profile=entropy_profile(shown_responses, draws=draws, seed=seed),
        rare=rare,
        base=against,
        track=tuple(track),
        grams=_used(grams) if grams else None,
        strategy=strategy_points(strategies, draws=draws, seed=seed),
        phases=_phases(strategies),
        alarms=entropy_alarms(run.metrics()),
        notes=(*_external_notes(run), *notes, *(_late_start(strategies) if grams else (_no_grams(run),))),
        reference=score_reference(run, text, used, strategies, draws=draws, seed=seed, on_progress=on_progress)
        if used and text and isinstance(run, RunDirectory)
        else None,
        hacking=hacking_alarm(run.metrics()),
    )


def _external_notes(run: Analyzed) -> tuple[str, ...]:
    if isinstance(run, RunDirectory):
        return ()
    return (
        "These samples hold texts without tokens: words stand for tokens, so lengths count words, and nothing is known "
        "of the entropy of a token.",
    )


def _late_start(steps: Sequence[StepStrategy]) -> tuple[str, ...]:
    """Only rollouts of step 1 are the untrained model's own; relative perplexity begins with the first there are."""
    if not steps or steps[0].step <= 1:
        return ()
    return (
        f"Relative perplexity is against step {steps[0].step}, the first with rollouts, and not against the model that "
        "training began with: a `reference` text asks that one too, as step 0.",
    )


def _no_grams(run: Analyzed) -> str:
    if isinstance(run, ExternalRun):
        return "No list of strategic grams was given, so no strategies were counted: `phrases` is one (`grams`)."
    return (
        "No list of strategic grams was given, so planning and execution were not distinguished. Mine one with "
        f"`forage grams mine {run.path} --out {run.path / 'grams.json'}` and analyze again."
    )


def default_words(run: Analyzed) -> WordList:
    """The planning words of the toy task for a Countdown run, English ones otherwise."""
    task = run.recipe().get("task")
    name = str(task.get("part", "")) if isinstance(task, dict) else ""
    return word_list("countdown" if name.startswith("forage.tasks.countdown") else "english")


def strategy_points(steps: Sequence[StepStrategy], *, draws: int = DRAWS, seed: int = 0) -> tuple[StrategyPoint, ...]:
    """One point per step, made comparable: entropies at equal counts, sequences at equal group sizes."""
    if not steps:
        return ()
    at_total = min(step.total for step in steps)
    at_pairs = min(len(step.pairs) for step in steps)
    group_size = min((sum(counts) for step in steps for counts in step.strategies), default=1)
    points = []
    for step in steps:
        planning, execution = relative_perplexity(step, steps[0])
        following, following_any = following_entropy(step, at_pairs, draws=draws, seed=seed)
        sums = step.counts.sum(axis=0).astype(np.int64)
        ranked = sorted(zip(step.bins, sums.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        points.append(
            StrategyPoint(
                step=step.step,
                responses=step.responses,
                grams=step.total,
                bins=len(step.bins),
                diversity=step.diversity,
                diversity_at=diversity_at(step, at_total, draws=draws, seed=seed),
                at_total=at_total,
                following=following,
                following_any=following_any,
                at_pairs=at_pairs,
                planning_share=step.planning_share,
                entropy=step.entropy,
                advantage=step.advantage,
                perplexity_planning=planning if np.isfinite(planning.estimate) else None,
                perplexity_execution=execution if np.isfinite(execution.estimate) else None,
                high_planning=step.high_planning,
                planning_high=step.planning_high,
                distinct=step.distinct,
                strategies=distinct_strategies(step, group_size, draws=draws, seed=seed),
                group_size=group_size,
                common=tuple(ranked[:COMMON]),
            )
        )
    return tuple(points)


def _phases(steps: Sequence[StepStrategy]) -> Phases | None:
    if not steps:
        return None
    execution = np.stack([step.nll_draws[1] for step in steps])
    return find_phases(
        np.array([step.step for step in steps], dtype=np.float64),
        _independent(execution),
        _independent(np.stack([step.diversity_draws for step in steps])),
    )


def _independent(draws: np.ndarray) -> np.ndarray:
    """(S, D) with the draws of step s rolled by s: steps have their own problems, but share the resampling's seed."""
    return np.stack([np.roll(row, number) for number, row in enumerate(draws)])


def _used(grams: Grams) -> GramsUsed:
    return GramsUsed(source=grams.source, id=grams.grams.id, support=grams.support, grams=grams.grams.grams)


def _rare(
    run: Analyzed,
    sentences: Sequence[Sentence],
    base: Path | None,
    shown: int,
    words: WordList,
    embed: Embedder,
    *,
    draws: int,
    seed: int,
) -> tuple[RareSentences | None, str, tuple[str, ...]]:
    """Rare sentences, what they were compared with, and a sentence where that was not possible."""
    first = run.rollout_steps()[0]
    if base is None and first == shown:
        missing = f"Step {shown} has the earliest rollouts, so rare sentences need a `base`."
        return None, "", (missing,)
    if base is None:
        reference, against = _sentences(read_responses(run.rollouts(first)), words), f"this run's step {first}"
    else:
        reference, against = _base_sentences(base, words), str(base)
    try:
        return rare_sentences(sentences, reference, embed, draws=draws, seed=seed), against, ()
    except ForageError as error:
        return None, against, (str(error),)


def _base_sentences(base: Path, words: WordList) -> list[Sentence]:
    if base.is_file() or sample_files(base):
        other = ExternalRun.open(base)
        return _sentences(read_responses(other.rollouts(other.rollout_steps()[-1])), words)
    if not base.is_dir():
        raise ForageError(f"The base {base} is not a directory: name a run, or a model folder with evaluation samples.")
    if (base / "recipe.json").is_file():
        other = RunDirectory.open(base)
        if not other.rollout_steps():
            raise ForageError(f"The base {base} is a run that has kept no rollouts: name another.")
        return _sentences(read_responses(other.rollouts(other.rollout_steps()[-1])), words)
    drawn = (pair for folder in sample_folders(base) for pair in sampled_texts(folder))
    texts = list(islice(_spread(drawn), BASE_TEXTS))
    if not texts:
        raise ForageError(
            f"The base {base} has no evaluation samples at temperature 1. Make them: forage eval {base} --n 16"
        )
    return [
        Sentence(text=text[start:end].strip(), entropy=float("nan"), response=number, problem=problem)
        for number, (problem, text) in enumerate(texts)
        for start, end in sentence_spans(text, starts=words.sentence_starts)
        if text[start:end].strip()
    ]


def _spread(texts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The first texts of every problem before the second ones, so that a cut-off takes from all problems."""
    ranked: dict[str, int] = {}
    everything = []
    for problem, text in texts:
        ranked[problem] = ranked.get(problem, 0) + 1
        everything.append((ranked[problem], problem, text))
    everything.sort(key=lambda item: item[0])
    return ((problem, text) for _, problem, text in everything)


def _sentences(responses: Sequence[Response], words: WordList) -> list[Sentence]:
    return sentences_of(responses, starts=words.sentence_starts)
