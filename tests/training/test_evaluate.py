"""Evaluating with a sampler whose success rates are known: counts, resumption, reuse, damage and hard verifiers."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import UNJUDGED, Completion, Problem, SampleRequest, SamplingParams, Score
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.samples import shards
from forage.evaluation.texts import sampled_texts
from forage.training.evaluate import SAMPLES_PER_SHARD, Subject, evaluate, iterate_samples

RATES = (0.0, 0.02, 0.1, 0.3, 0.6, 0.95, 1.0)
PROBLEMS = tuple(Problem(id=f"p{i}", prompt=str(i), answer=str(i), task="dice") for i in range(20))


def draw(seed: int, sibling: int, position: int) -> int:
    digest = hashlib.blake2b(f"{seed} {sibling} {position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % 1000


def rate(problem: Problem) -> float:
    return RATES[int(problem.prompt if isinstance(problem.prompt, str) else 0) % len(RATES)]


@dataclass
class Dice:
    """Samples one number below 1000 and some padding; raises `error` instead of its request number `fails_at`."""

    fails_at: int | None = None
    error: BaseException = field(default_factory=KeyboardInterrupt)
    drawn: int = 0
    requests: int = 0
    pause: float = 0.0
    version: int = 0

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for order in reversed(range(len(requests))):
            if self.requests == self.fails_at:
                raise self.error
            time.sleep(self.pause)
            request = requests[order]
            self.requests += 1
            self.drawn += request.group_size
            yield order, tuple(completed(request.seed, sibling) for sibling in range(request.group_size))


@cache
def completed(seed: int, sibling: int) -> Completion:
    length = 1 + draw(seed, sibling, 1) % 5
    tokens = (draw(seed, sibling, 0), *range(1, length))
    entropies = tuple(draw(seed, sibling, 2 + t) / 1000 for t in range(length))
    return Completion(tokens, (-1.0,) * length, entropies, "length" if length == 5 else "eos")


class Digits:
    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (int(problem.answer),)

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(int, text))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(tokens[0])

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(map(str, tokens))


@dataclass(frozen=True)
class DiceTask(Task):
    """Right below the problem's rate; the answer is the last digit; multiples of `silent` cannot be judged."""

    name: ClassVar[str] = "dice"
    silent: int | None = None
    strict: bool = False

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS

    def verify(self, problem: Problem, text: str) -> Score:
        if self.silent and int(text) % self.silent == 0:
            return UNJUDGED
        right = float(int(text) < 1000 * rate(problem) and not self.strict)
        return Score(right, {"correct": right, "commit": float(int(text) % 2)})

    def answer(self, problem: Problem, text: str) -> str | None:
        assert not (self.silent and int(text) % self.silent == 0), "asked for the answer of an unjudged response"
        return text[-1]


@dataclass
class AtOnce:
    task: Task

    def submit(self, problem: Problem, texts: Sequence[str]) -> "Future[tuple[Score, ...]]":
        future: Future[tuple[Score, ...]] = Future()
        future.set_result(tuple(self.task.verify(problem, text) for text in texts))
        return future


def run(
    cache: Path, sampler: Dice | None = None, *, n: int = 100, task: Task | None = None, **changes: Any
) -> Evaluation:
    task = task or DiceTask()
    settings: dict[str, Any] = {
        "subject": Subject(label="dice", checkpoint="somewhere", fingerprint="ab", step=3, run_seed=1),
        "task_json": {"part": "dice"},
        "split": "test",
        "params": SamplingParams(),
        "seed": 5,
        **changes,
    }
    problems = settings.pop("problems", PROBLEMS)
    return evaluate(sampler or Dice(), Digits(), AtOnce(task), task, problems, n=n, cache=cache, **settings)


def test_counts_are_what_the_sampler_does(tmp_path: Path) -> None:
    result = run(tmp_path, n=200)
    assert [outcome.problem for outcome in result.problems] == [problem.id for problem in PROBLEMS]
    for problem, outcome in zip(PROBLEMS, result.problems, strict=True):
        p = rate(problem)
        assert abs(outcome.correct - 200 * p) <= 4 * (200 * p * (1 - p)) ** 0.5
        assert outcome.n == 200
        assert sum(outcome.answers.values()) == 200
        assert sum(outcome.right_answers.values()) == outcome.correct
        assert 60 < outcome.committed < 140
    assert sum(outcome.truncated for outcome in result.problems) / 4000 == pytest.approx(1 / 5, abs=0.03)
    assert result.tokens / 4000 == pytest.approx(3, abs=0.1)
    assert result.entropy == pytest.approx(0.5, abs=0.02)
    assert (result.label, result.step, result.run_seed, result.fingerprint) == ("dice", 3, 1, "ab")


def test_the_second_time_nothing_is_sampled(tmp_path: Path) -> None:
    first, idle = run(tmp_path), Dice()
    assert run(tmp_path, idle) == first
    assert idle.drawn == 0


@pytest.mark.parametrize("fails_at", [0, 7, 16, 33, 39])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, fails_at: int) -> None:
    whole = run(tmp_path / "whole")
    broken = Dice(fails_at=fails_at)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", broken)
    rest = Dice()
    assert run(tmp_path / "broken", rest) == whole
    # Shards of 16 and 4 problems, of 64 and 36 samples: finished ones are not sampled again.
    finished = sum(size for size, last in ((16 * 64, 16), (16 * 36, 32), (4 * 64, 36)) if fails_at >= last)
    assert rest.drawn == len(PROBLEMS) * 100 - finished


def test_killed_in_the_middle_it_continues(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        "from training import test_evaluate as t; t.run(Path(sys.argv[2]), t.Dice(pause=0.05))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parents[1]), str(tmp_path / "killed")])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("killed/*/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    rest = Dice()
    assert run(tmp_path / "killed", rest) == run(tmp_path / "whole")
    assert 0 < rest.drawn < len(PROBLEMS) * 100


def test_more_samples_later_reuse_the_first_ones(tmp_path: Path) -> None:
    run(tmp_path / "grown", n=SAMPLES_PER_SHARD)
    more = Dice()
    grown = run(tmp_path / "grown", more, n=256)
    assert more.drawn == len(PROBLEMS) * (256 - SAMPLES_PER_SHARD)
    assert grown == run(tmp_path / "fresh", n=256)
    fewer = Dice()
    assert run(tmp_path / "grown", fewer, n=100) == run(tmp_path / "fresh-100", n=100)
    assert fewer.drawn == 0


def test_more_problems_later_reuse_whole_blocks(tmp_path: Path) -> None:
    few = run(tmp_path, problems=PROBLEMS[:16])
    more = Dice()
    assert run(tmp_path, more).problems[:16] == few.problems
    assert more.drawn == 4 * 100


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 6},
        {"params": SamplingParams(temperature=0.4)},
        {"sampled_by": {"stops": ["\n\n"]}},
        {"sampled_by": {"dtype": "bfloat16"}},
        {"split": "train"},
        {"subject": Subject(label="dice", checkpoint="somewhere", fingerprint="cd")},
    ],
)
def test_other_settings_share_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    run(tmp_path)
    fresh = Dice()
    run(tmp_path, fresh, **changes)
    assert fresh.drawn == len(PROBLEMS) * 100


@pytest.mark.parametrize(
    "changes",
    [
        {"task_json": {"part": "dice", "verifier": {"part": "numeric", "tolerance": 0.1}}},
        {"judged_by": {"deadline": 1.0}},
        {"judged_by": {"versions": {"my_checks:is_right": "0ff1ce"}}},
        {"problems": [replace(problem, answer=str(19 - number)) for number, problem in enumerate(PROBLEMS)]},
    ],
)
def test_another_verdict_is_given_to_the_same_texts(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, again = run(tmp_path), Dice()
    strict = run(tmp_path, again, task=DiceTask(strict=True), **changes)
    assert again.drawn == 0
    assert (strict.tokens, strict.entropy) == (first.tokens, first.entropy)
    assert sum(outcome.correct for outcome in strict.problems) == 0
    assert sum(outcome.correct for outcome in first.problems) > 0
    assert [sample.text for sample in iterate_samples(tmp_path, PROBLEMS, first)] == [
        sample.text for sample in iterate_samples(tmp_path, changes.get("problems", PROBLEMS), strict)
    ]
    assert run(tmp_path, again) == first
    assert again.drawn == 0


def test_more_samples_are_judged_as_the_first_ones_are(tmp_path: Path) -> None:
    run(tmp_path, n=SAMPLES_PER_SHARD)
    more = Dice()
    strict = run(tmp_path, more, n=256, task=DiceTask(strict=True), judged_by={"deadline": 1.0})
    assert more.drawn == len(PROBLEMS) * (256 - SAMPLES_PER_SHARD)
    assert sum(outcome.correct for outcome in strict.problems) == 0


def test_samples_of_the_first_format_are_read_and_never_taken_for_an_answer(tmp_path: Path) -> None:
    about = {"fingerprint": "ab", "task": {"part": "dice"}, "params": asdict(SamplingParams()), "seed": 5}
    text = json.dumps({"format": "forage samples 1", **about}, sort_keys=True, indent=1)
    folder = tmp_path / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    made = run(tmp_path / "made")
    for shard in shards(PROBLEMS, 100, problems_per_shard=16, group_size=SAMPLES_PER_SHARD):
        parts = [(problem.id, problem.prompt, problem.answer) for problem in shard.problems]
        digest = hashlib.blake2b("".join(map(repr, parts)).encode(), digest_size=8).hexdigest()
        (found,) = (tmp_path / "made").glob(f"*/*/{shard.name}")
        folder.mkdir(exist_ok=True)
        (folder / f"{digest}-{shard.first:06d}.parquet").write_bytes(found.read_bytes())
    (folder / "about.json").write_text(text)
    assert len(list(iterate_samples(tmp_path, PROBLEMS, made))) == 2000
    assert len(list(sampled_texts(tmp_path))) == 2000
    fresh = Dice()
    run(tmp_path, fresh)
    assert fresh.drawn == 2000


def test_the_seed_changes_the_samples_and_a_new_label_does_not(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert run(tmp_path, seed=6).problems != first.problems
    renamed = Dice()
    other = run(tmp_path, renamed, subject=Subject(label="renamed", checkpoint="elsewhere", fingerprint="ab"))
    assert other.problems == first.problems
    assert renamed.drawn == 0


def test_a_damaged_shard_is_sampled_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    shard = sorted(tmp_path.glob("*/*/*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    again = Dice()
    with pytest.warns(UserWarning, match="are damaged"):
        assert run(tmp_path, again) == first
    assert 0 < again.drawn <= 16 * 64


def test_unjudged_samples_are_counted_and_nobody_reads_their_answer(tmp_path: Path) -> None:
    result = run(tmp_path, task=DiceTask(silent=4))
    unjudged = sum(outcome.unjudged for outcome in result.problems)
    assert unjudged / 2000 == pytest.approx(1 / 4, abs=0.05)
    certain = result.problems[6]
    assert certain.correct == certain.judged == 100 - certain.unjudged
    assert sum(certain.answers.values()) == certain.judged


def test_progress_reaches_the_end_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def hear(done: int, total: int, note: str = "") -> None:
        seen.append((done, total))

    for _ in range(2):  # sampled, then from the cache
        seen.clear()
        run(tmp_path, on_progress=hear)
        assert seen == sorted(set(seen))
        assert seen[-1] == (2000, 2000)


def test_samples_can_be_read_afterwards(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="does not hold all samples"):
        list(iterate_samples(tmp_path, PROBLEMS, run(tmp_path / "elsewhere")))
    result = run(tmp_path)
    samples = list(iterate_samples(tmp_path, PROBLEMS, result))
    assert len({(sample.problem, sample.sample) for sample in samples}) == 2000
    assert sum(sample.correct for sample in samples) == sum(outcome.correct for outcome in result.problems)
    certain = [sample.text for sample in samples if sample.problem == "p6"]
    assert len(set(certain)) > 80, "samples of different shards repeat"
    assert all(sample.text.endswith(sample.answer or "?") for sample in samples)


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    class Mute(DiceTask):
        def verify(self, problem: Problem, text: str) -> Score:
            return Score(1.0)

    with pytest.raises(ForageError, match=r'task dice judged a response to problem p0 .*"correct" \(0 or 1\)'):
        run(tmp_path, task=Mute())
    with pytest.raises(ForageError, match="p0 is listed twice"):
        run(tmp_path, problems=PROBLEMS[:1] * 2)
    with pytest.raises(ForageError, match="at least one problem and one sample"):
        run(tmp_path, problems=())
