"""Sampling an evaluation: n responses to every problem, judged, counted, and kept so that nothing is sampled twice.

Sample j of a problem depends on the seed, the problem and j alone. Work goes shard by shard, and a finished shard is on
disk before the next begins: whatever interrupts a run costs at most one shard, and the run that continues ends with the
same bits. Asking for more samples later only samples the missing ones.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forage.core.answered import answered
from forage.core.errors import ForageError
from forage.core.protocols import Codec, Judge, OnProgress, Sampler, Task
from forage.core.records import Completion, Problem, SampleRequest, SamplingParams, Score
from forage.core.seeds import derive_seed
from forage.core.spans import own
from forage.engines.distributed.process_group import ProcessGroup
from forage.evaluation.estimate import small_sample_warning
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.samples import Sample, SampleCache, Shard, read_format_1, shards, storable

__all__ = ["Subject", "evaluate", "iterate_samples", "small_sample_warning"]

NOTHING: Mapping[str, Any] = MappingProxyType({})

PROBLEMS_PER_SHARD = 16
SAMPLES_PER_SHARD = 64
"""Together 1,024 responses: enough rows to keep a sampler busy, few enough to lose. Part of what a cached sample is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who is evaluated: `label` for tables, `checkpoint` where it lies, `fingerprint` of its weights (keys the cache).

    `step` and `run_seed` say where in which training run it was taken; None for a model that was not trained here.
    """

    label: str
    checkpoint: str
    fingerprint: str
    step: int | None = None
    run_seed: int | None = None


def evaluate(
    sampler: Sampler,
    codec: Codec,
    judge: Judge,
    task: Task,
    problems: Sequence[Problem],
    *,
    subject: Subject,
    task_json: Mapping[str, Any],
    split: str,
    n: int,
    params: SamplingParams,
    seed: int,
    cache: Path,
    sampled_by: Mapping[str, Any] = NOTHING,
    judged_by: Mapping[str, Any] = NOTHING,
    on_progress: OnProgress | None = None,
    ranks: ProcessGroup | None = None,
) -> Evaluation:
    """Samples and judges n responses to each problem, or takes them from `cache`, and counts what came of them.

    `task_json` describes the task completely; `sampled_by` and `judged_by` say what else decides the texts and the
    verdicts (`engines/identity.py`). All three key the cache and go into the evaluation. Texts are kept and judged
    again where only what decides the verdicts has changed. Rewards of a training recipe take no part. `on_progress` is
    called with responses, done and in all. Several processes (`ranks`) sample a share of the shards each, into one
    cache. Raises ForageError where a file cannot be written; an interruption (KeyboardInterrupt) passes through, and
    the same call continues behind the last finished shard.
    """
    _check_problems(problems)
    tools = _Tools(sampler, codec, judge, task)
    sampling = _sampling(subject, params, seed, split, sampled_by)
    store = SampleCache.open(cache, sampling, _judging(task_json, judged_by))
    tallies = {problem.id: _Tally(modes=Counter() if task.has_modes else None) for problem in problems}
    seconds, progress = 0.0, _Progress(n * len(problems), on_progress)
    if ranks is not None and ranks.world > 1:
        _divide(tools, store, ranks.share(list(_shards(problems, n))), params, seed, progress, ranks)
    for shard in _shards(problems, n):
        samples, spent = _obtain(tools, store, shard, params, seed, progress)
        seconds += spent
        for sample in samples:
            tallies[sample.problem].add(sample)
    return Evaluation(
        label=subject.label,
        checkpoint=subject.checkpoint,
        fingerprint=subject.fingerprint,
        step=subject.step,
        run_seed=subject.run_seed,
        task=dict(task_json),
        split=split,
        params=params,
        n=n,
        seed=seed,
        problems=tuple(tallies[problem.id].outcome(problem.id) for problem in problems),
        sampled_by=dict(sampled_by),
        judged_by=dict(judged_by),
        seconds=seconds,
    )


def iterate_samples(cache: Path, problems: Sequence[Problem], evaluation: Evaluation) -> Iterator[Sample]:
    """The cached responses of a finished evaluation, for whoever wants to read the texts. Samples nothing.

    Raises ForageError where some are missing.
    """
    _check_problems(problems)
    params, seed, task_json = evaluation.params, evaluation.seed, evaluation.task
    sampling = _sampling(evaluation, params, seed, evaluation.split, evaluation.sampled_by)
    store = SampleCache.at(cache, sampling, _judging(task_json, evaluation.judged_by))
    old = {"fingerprint": evaluation.fingerprint, "task": dict(task_json), "params": asdict(params), "seed": seed}
    for shard in _shards(problems, evaluation.n):
        stored = store.read(shard)
        samples = stored[0] if stored else read_format_1(cache, old, shard)
        if samples is None:
            raise ForageError(f"{cache} does not hold all samples of this evaluation: run `forage eval` first.")
        yield from samples


@dataclass(frozen=True, slots=True)
class _Tools:
    sampler: Sampler
    codec: Codec
    judge: Judge
    task: Task


@dataclass(slots=True)
class _Tally:
    """Counts one problem's samples as they come, so that memory does not grow with n."""

    counts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    right_answers: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] | None = None
    entropy: float = 0.0

    def add(self, sample: Sample) -> None:
        self.entropy += sample.entropy
        self.counts.update(
            n=1,
            correct=sample.correct,
            unjudged=not sample.judged,
            truncated=sample.truncated,
            committed=sample.committed,
            length_sum=sample.length,
        )
        if sample.answer is not None:
            self.answers[sample.answer] += 1
            if sample.correct:
                self.right_answers[sample.answer] += 1
        if self.modes is not None and sample.mode is not None:
            self.modes[sample.mode] += 1

    def outcome(self, problem: str) -> ProblemOutcome:
        return ProblemOutcome(
            problem=problem,
            entropy_sum=self.entropy,
            answers=dict(sorted(self.answers.items())),
            right_answers=dict(sorted(self.right_answers.items())),
            modes=None if self.modes is None else dict(sorted(self.modes.items())),
            **self.counts,
        )


@dataclass(slots=True)
class _Progress:
    total: int
    on_progress: OnProgress | None
    done: int = 0

    def advance(self, count: int) -> None:
        if self.on_progress is not None and self.done < self.total:
            self.done = min(self.done + count, self.total)
            self.on_progress(self.done, self.total)


def _divide(
    tools: _Tools,
    store: SampleCache,
    own: Sequence[Shard],
    params: SamplingParams,
    seed: int,
    progress: _Progress,
    ranks: ProcessGroup,
) -> None:
    """Fills the cache with the shards of this process, and waits until the others have done theirs.

    Progress is this process's: the others' shares are as large.
    """
    mine = replace(progress, total=sum(map(len, own)))

    def work() -> bytes:
        for shard in own:
            _obtain(tools, store, shard, params, seed, mine)
        return b""

    ranks.together(work)
    progress.done = progress.total


def _obtain(
    tools: _Tools, store: SampleCache, shard: Shard, params: SamplingParams, seed: int, progress: _Progress
) -> tuple[tuple[Sample, ...], float]:
    """A shard's samples and the seconds they took: from the cache, or sampled or judged and then kept there."""
    if (stored := store.read(shard)) is not None:
        progress.advance(len(shard))
        return stored
    began = time.perf_counter()
    if (drawn := store.drawn(shard)) is not None:
        samples, seconds = _judge_again(tools, shard, drawn[0]), drawn[1]
        progress.advance(len(shard))
    else:
        samples, seconds = _sample(tools, shard, params, seed, progress), 0.0
    seconds += time.perf_counter() - began
    store.write(shard, samples, seconds)
    return samples, seconds


def _sample(tools: _Tools, shard: Shard, params: SamplingParams, seed: int, progress: _Progress) -> tuple[Sample, ...]:
    """Samples and judges a shard; the verifier works on what is finished while the rest is sampled."""
    requests = [
        SampleRequest(
            tokens=tools.codec.prompt(problem),
            group_size=shard.group_size,
            seed=derive_seed(seed, "evaluation", problem.id, shard.first),
            problem=problem,
        )
        for problem in shard.problems
    ]
    pending = {}
    for order, completions in tools.sampler.sample(requests, params):
        texts = [storable(tools.codec.decode(completion.tokens)) for completion in completions]
        pending[order] = completions, texts, tools.judge.submit(shard.problems[order], texts)
        progress.advance(len(completions))
    samples = []
    for order, problem in enumerate(shard.problems):
        completions, texts, verdict = pending[order]
        judged = zip(completions, texts, verdict.result(), strict=True)
        samples.extend(
            _to_sample(tools.task, problem, shard.first + index, *parts) for index, parts in enumerate(judged)
        )
    return tuple(samples)


def _judge_again(tools: _Tools, shard: Shard, drawn: Sequence[Sample]) -> tuple[Sample, ...]:
    """Texts that were sampled already, with verdicts as they are given now."""
    of_problem = [drawn[first : first + shard.group_size] for first in range(0, len(drawn), shard.group_size)]
    verdicts = [
        tools.judge.submit(problem, [sample.text for sample in samples])
        for problem, samples in zip(shard.problems, of_problem, strict=True)
    ]
    return tuple(
        replace(sample, **_verdict(tools.task, problem, sample.text, score))
        for problem, samples, verdict in zip(shard.problems, of_problem, verdicts, strict=True)
        for sample, score in zip(samples, verdict.result(), strict=True)
    )


def _to_sample(task: Task, problem: Problem, index: int, completion: Completion, text: str, score: Score) -> Sample:
    return Sample(
        problem=problem.id,
        sample=index,
        text=text,
        length=completion.written,
        entropy=math.fsum(own(completion.entropies, completion.given)),
        truncated=completion.stop == "length",
        **_verdict(task, problem, text, score),
    )


def _verdict(task: Task, problem: Problem, text: str, score: Score) -> dict[str, Any]:
    """The fields of a sample that the verifier decides."""
    if score.judged and "correct" not in score.parts:
        raise ForageError(
            f"The task {task.name} judged a response to problem {problem.id} without saying whether it is correct: "
            'Score.parts must hold "correct" (0 or 1).'
        )
    # What the verifier could not judge in time is not parsed here either, where nothing would stop it.
    answer = task.answer(problem, text) if score.judged else None
    return {
        "judged": score.judged,
        "correct": score.correct,
        "committed": score.judged and answered(task, problem, text, score),
        "answer": None if answer is None else storable(answer),
        "mode": None if score.mode is None else storable(score.mode),
    }


def _shards(problems: Sequence[Problem], n: int) -> Iterator[Shard]:
    return shards(problems, n, problems_per_shard=PROBLEMS_PER_SHARD, group_size=SAMPLES_PER_SHARD)


def _sampling(
    subject: Subject | Evaluation, params: SamplingParams, seed: int, split: str, sampled_by: Mapping[str, Any]
) -> dict[str, Any]:
    """All that decides the texts but the prompts, which name the shards."""
    about = {"fingerprint": subject.fingerprint, "params": asdict(params), "seed": seed, "split": split}
    return {**about, "sampled_by": dict(sampled_by)}


def _judging(task_json: Mapping[str, Any], judged_by: Mapping[str, Any]) -> dict[str, Any]:
    return {"task": dict(task_json), "judged_by": dict(judged_by)}


def _check_problems(problems: Sequence[Problem]) -> None:
    repeated = [name for name, count in Counter(problem.id for problem in problems).items() if count > 1]
    if repeated:
        raise ForageError(f"The problem {repeated[0]} is listed twice; an evaluation holds each problem once.")
