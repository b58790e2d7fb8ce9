"""Kills and interrupts training, evaluation, labeling, reward models and bench; checks what is left and what comes.

    python benchmarks/kills.py --kills 1000 --out runs/kills        (--started: a new interpreter for each process)

Each work is done once undisturbed. Then it is begun again and again, ended by SIGKILL or by 1 to 10 SIGINTs at random
moments with random gaps, continued by the same command (training by `forage resume`), disturbed again, and let go on.
Wrong is: an end that differs from the undisturbed one in any byte (but times), a training checkpoint that the
undisturbed run did not pass through, a checkpoint lost, after SIGINT a step that no checkpoint holds, an exit code
other than 130 (or 0, where the work was done), a traceback, or another number of sentences than one.

Processes are forked from one that has imported everything: real processes and real signals, without the seconds that
an interpreter needs to load torch. With --started they are started, so that signals also meet imports and the exit.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

SMALL = ("--threads", "1", "--matmul", "highest")
TINY = ("--groups", "4", "--group-size", "4", "--max-tokens", "24", *SMALL)


@dataclass(frozen=True)
class Work:
    """`begin` and `go_on` are arguments of `forage`, given the folder of an attempt; `result` is what must be equal."""

    name: str
    begin: Callable[[Path], Sequence[object]]
    result: Callable[[Path], Mapping[str, bytes]]
    go_on: Callable[[Path], Sequence[object]] | None = None
    check: Callable[[Path, Path], str] | None = None


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    failures: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------------ processes


def forked(arguments: Sequence[object], log: Path) -> int:
    """Runs `forage` in a fork of this process; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.argv = ["forage", *map(str, arguments)]
        from forage.__main__ import start

        start()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 71
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def started(arguments: Sequence[object], log: Path) -> int:
    with log.open("wb") as file:
        command = [sys.executable, "-m", "forage", *map(str, arguments)]
        return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True).pid


def ended(child: int, limit: float = 300) -> int | None:
    """The exit code (negative: by that signal), or None where it had to be killed after `limit` seconds."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def alive(child: int) -> bool:
    """Whether it runs still; it is not waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


# ------------------------------------------------------------------------------------------------------------ the works


def contents(folder: Path, *patterns: str) -> dict[str, bytes]:
    found = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): _timeless(path) for path in found if path.name != ".lock"}


def _timeless(path: Path) -> bytes:
    """The bytes of a file, without the seconds that something took and without names of folders."""
    if path.suffix == ".jsonl" and path.name == "metrics.jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return "\n".join(json.dumps({k: v for k, v in row.items() if k != "seconds"}) for row in rows).encode()
    if path.suffix == ".json" and path.parent.name == "evals":
        held = json.loads(path.read_bytes())
        return json.dumps({k: v for k, v in held.items() if k not in ("seconds", "checkpoint")}).encode()
    return path.read_bytes()


def of_run(run: Path) -> dict[str, bytes]:
    steps = sorted((run / "checkpoints").glob("step-*"))
    last = steps[-1].relative_to(run) if steps else Path("checkpoints/none")
    return contents(run, "metrics.jsonl", "rollouts/*.parquet", "evals/*.json", f"{last}/*", f"{last}/training/*")


def check_run(attempt: Path, whole: Path) -> str:
    """Every checkpoint of an attempt is one of the undisturbed run, and what is said to be saved is."""
    run = attempt / "run"
    for checkpoint in (run / "checkpoints").glob("step-*"):
        held = contents(checkpoint, "**/*")
        if checkpoint.name != "step-000000" and held != contents(whole / "run/checkpoints" / checkpoint.name, "**/*"):
            return f"{checkpoint} is no state of the undisturbed run"
    if saved := re.search(r"Interrupted after step (\d+)", (attempt / "log").read_text()):
        rows = (run / "metrics.jsonl").read_text().count("\n") if (run / "metrics.jsonl").exists() else 0
        if rows != int(saved[1]) or not (run / f"checkpoints/step-{rows:06d}").is_dir():
            return f"{saved[0]}, and {rows} are in the metrics of {run}: not all is saved"
    return ""


def every(attempt: Path, steps: int) -> tuple[object, ...]:
    """The undisturbed run keeps every state, to compare with; an attempt writes one now and then."""
    return ("--checkpoint-every", 1 if attempt.name == "whole" else steps)


def works(place: Path) -> list[Work]:
    base, dialogue, preferences = place / "base", place / "dialogue", place / "preferences.jsonl"
    own = ("--model", base)
    kept = ("--keep-checkpoints", 20, "--rollouts-every", 3, "--steps", 8, "--lr", "1e-3", "--epochs", 2)
    reward = (preferences, "--model", dialogue, "--epochs", 4, "--batch", 4, "--checkpoint-every", 5, "--probe", 3)
    label = ("--problems", 24, "--solutions", 1, "--continuations", 2, "--max-tokens", 16, "--threads", 1)
    arms = ("--arm", "grpo", "--arm", "grpo+entropy_advantage", "--seeds", "0", "--n", 2, "--k", "1,2")
    return [
        Work(
            "training",
            lambda a: ("train", "countdown", *own, *TINY, *kept, *every(a, 3), "--out", a / "run"),
            lambda a: of_run(a / "run"),
            lambda a: ("resume", a / "run"),
            check_run,
        ),
        Work(
            "evaluation",
            lambda a: ("eval", a / "run", "--n", 4, "--k", "1,2", "--max-tokens", 16, "--threads", 1),
            lambda a: contents(a / "run", "evals/*.json"),
        ),
        Work(
            "labeling",
            lambda a: ("prm", "label", place / "run", "--out", a / "labels", *label),
            lambda a: contents(a / "labels", "labels.jsonl"),
        ),
        Work(
            "reward model",
            lambda a: ("rm", "train", *reward, "--out", a / "model", "--threads", 1),
            lambda a: contents(a, "model/**/*", "model-unfinished/**/*"),
        ),
        Work(
            "bench",
            lambda a: ("bench", "countdown", "--model", a / "base", *TINY, "--steps", 2, *arms, "--out", a / "bench"),
            lambda a: {
                f"{run.name}/{name}": held
                for run in (a / "bench").glob("*-seed0")
                for name, held in of_run(run).items()
            },
        ),
    ]


def prepare(place: Path) -> None:
    """Models of seconds, preferences that somebody made up, and a run: a folder of weights alone would be evaluated
    with whichever matrix product is measured to be faster at the moment, which changes the last bits.
    """
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from forage.base_models.countdown import BaseSettings
    from forage.base_models.dialogue import DialogueSettings
    from forage.base_models.tiny_model import build
    from support.made_preferences import comparisons

    small: dict[str, Any] = {
        "layers": 1,
        "hidden": 32,
        "heads": 2,
        "head_dim": 16,
        "inner": 48,
        "steps": 40,
        "batch": 32,
    }
    build(BaseSettings(traces=400, **small), place / "base", progress=False)
    build(DialogueSettings(traces=400, **small), place / "dialogue", progress=False)
    rows = [{"prompt": each.prompt, "ranked": each.responses} for each in comparisons(40, 3)]
    (place / "preferences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    from forage.cli import main as forage

    made = ("train", "countdown", "--model", place / "base", *TINY, "--steps", 1, "--out", place / "run")
    if forage([str(each) for each in made]):
        raise SystemExit("the run to evaluate could not be trained")


# ------------------------------------------------------------------------------------------------------------ the kills


@dataclass
class Disturber:
    place: Path
    launch: Callable[[Sequence[object], Path], int]
    rng: random.Random
    tally: dict[str, Tally] = field(default_factory=dict)

    def undisturbed(self, work: Work) -> float:
        """Does the work once; returns the seconds that it took."""
        whole = self.attempt(work, "whole")
        began = time.monotonic()
        code = ended(self.launch(work.begin(whole), whole / "log"))
        if code or not work.result(whole):
            raise SystemExit(f"{work.name} ended with {code}:\n{(whole / 'log').read_text()}")
        return time.monotonic() - began

    def attempt(self, work: Work, name: str) -> Path:
        folder = self.place / work.name.replace(" ", "-") / name
        folder.mkdir(parents=True)
        if (needed := {"evaluation": "run", "bench": "base"}.get(work.name)) is not None:
            shutil.copytree(self.place / needed, folder / needed)
        return folder

    def round(self, work: Work, number: int, seconds: float) -> None:
        """One attempt: a few ends before its time, then one that is its own."""
        tally, whole = self.tally.setdefault(work.name, Tally()), self.place / work.name.replace(" ", "-") / "whole"
        attempt, said = self.attempt(work, f"{number}"), ""
        for _ in range(self.rng.randint(3, 10)):
            said = self.disturb(work, attempt, seconds, tally)
            if said or work.result(attempt) == work.result(whole):
                break
            said = work.check(attempt, whole) if work.check else ""
            if said:
                break
        code = None if said else ended(self.launch(self.arguments(work, attempt), attempt / "log"))
        if not said and code:
            done = "exists already" in (attempt / "log").read_text()  # the work was finished by the last process
            said = "" if done else f"the last process ended with {code}"
        if not said and work.result(attempt) != work.result(whole):
            said = "the end differs from the undisturbed one"
        tally.ends += 1
        if said:
            tally.failures.append(f"{work.name} {attempt}: {said}")
            print("FAILED", tally.failures[-1], flush=True)
        else:
            shutil.rmtree(attempt)

    def arguments(self, work: Work, attempt: Path) -> Sequence[object]:
        return work.go_on(attempt) if work.go_on and (attempt / "run").exists() else work.begin(attempt)

    def disturb(self, work: Work, attempt: Path, seconds: float, tally: Tally) -> str:
        """Starts or continues the work and ends it; what was wrong, or nothing."""
        log, signals = attempt / "log", 0 if self.rng.random() < 0.4 else self.rng.randint(1, 10)
        child = self.launch(self.arguments(work, attempt), log)
        time.sleep(self.rng.uniform(0, 0.7 * seconds))
        if not signals:
            if alive(child):
                os.kill(child, signal.SIGKILL)
                tally.kills["SIGKILL"] += 1
            return "" if ended(child) in (-signal.SIGKILL, 0) else f"SIGKILL left {log.read_text()}"
        sent = 0
        for _ in range(signals):
            if not alive(child):
                break
            os.kill(child, signal.SIGINT)
            sent += 1
            time.sleep(self.rng.choice([0, 0.001, 0.01, 0.1, 0.4]) * self.rng.random())
        code, said = ended(child), log.read_text()
        if sent:
            tally.kills[f"{sent} SIGINT"] += 1
        if code not in (130, 0):
            return f"{sent} SIGINTs: exit code {code}: {said}"
        if "Traceback" in said or "Exception ignored" in said:
            return f"{sent} SIGINTs: {said}"
        sentences = [line for line in said.splitlines() if line.startswith("forage")]
        return "" if len(sentences) == (code == 130) else f"{sent} SIGINTs, exit code {code}: {said}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--out", type=Path, help="where failed attempts and summary.json stay")
    parser.add_argument("--only", help="one of the works")
    parser.add_argument("--started", action="store_true", help="start an interpreter for each process")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    place = options.out or Path(tempfile.mkdtemp(prefix="kills-"))
    place.mkdir(parents=True, exist_ok=True)
    if not options.started:
        import forage.cli.bench
        import forage.cli.prm
        import forage.cli.resume
        import forage.cli.rm  # noqa: F401  (imported once, for all forks)
    if (child := os.fork()) == 0:
        prepare(place)
        os._exit(0)
    if ended(child):
        raise SystemExit("the models could not be built")
    disturber = Disturber(place, started if options.started else forked, random.Random(seed))
    chosen = [work for work in works(place) if options.only in (None, work.name)]
    seconds = {work.name: disturber.undisturbed(work) for work in chosen}
    print(f"seed {seed}; undisturbed seconds: {seconds}", flush=True)
    return disturbed(disturber, chosen, seconds, options.kills, options.minutes, place, seed)


def disturbed(
    disturber: Disturber,
    chosen: Sequence[Work],
    seconds: Mapping[str, float],
    kills: int,
    minutes: float,
    place: Path,
    seed: int,
) -> int:
    """Rounds, all works in turn, until there were enough kills; writes summary.json after each."""
    number, until = 0, time.monotonic() + 60 * minutes
    while True:
        for work in chosen:
            number += 1
            disturber.round(work, number, seconds[work.name])
            tally = disturber.tally
            counts = {name: dict(sorted(each.kills.items())) for name, each in tally.items()}
            total = sum(sum(each.values()) for each in counts.values())
            failures = [failure for each in tally.values() for failure in each.failures]
            summary = {"seed": seed, "kills": total, "by kind": counts, "failures": failures}
            summary["ends"] = {name: each.ends for name, each in tally.items()}
            (place / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
            if total >= kills or time.monotonic() > until:
                print(json.dumps(summary, indent=1))
                return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
