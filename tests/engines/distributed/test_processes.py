"""Two processes of one run, over gloo, on this machine: with the variables of torchrun, and by torchrun itself."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from forage.bench.fork_server import CommandProcess, ForkServer
from forage.core.records import Completion, Group, Message, Problem, Rollout, Score, Start
from forage.engines.distributed.interrupts import SharedGate
from forage.engines.distributed.process_group import ProcessGroup, partition_rows
from forage.engines.distributed.wire import (
    completions_from_bytes,
    completions_to_bytes,
    groups_from_bytes,
    groups_to_bytes,
)
from forage.evaluation.evaluation import Evaluation
from forage.store.checkpoint import load_tensors
from forage.store.run_directory import RunDirectory
from forage.training.loop import resume, train
from support.builders import group
from support.forked_servers import SetAside
from support.two_processes import recipe, stopping_at
from support.worlds import blank_model

TESTS = Path(__file__).parents[2]


def torchrun(*arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
    """In a group of its own, so that a signal to the group is what Ctrl-C is to a terminal's processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    paths = [str(TESTS.parent / "src"), str(TESTS), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        list(map(str, command)), env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True, **settings
    )


SCRIPT = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from forage.bench.fork_server import serve
from support.forked_torchrun import torchrun_forks
from support.two_processes import main
(words,) = serve()
torchrun_forks(words[1:]) if words[0] == "torchrun" else main(*words)
"""


class Pairs:
    """Two processes of `two_processes` with the variables that torchrun sets; they start at once."""

    def __init__(self, set_aside: SetAside) -> None:
        self.server = ForkServer(SCRIPT, launch=set_aside.launch)

    def start(self, *words: str | Path) -> Callable[[], tuple[list[int], str]]:
        """Returns what waits for both: their exit codes, and what they said."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        same = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        log = Path(words[1]) / f"said {port}"
        processes = [
            self.server.start([list(map(str, words))], log, {**same, "RANK": rank, "LOCAL_RANK": rank})
            for rank in ("0", "1")
        ]
        return lambda: ([process.wait(240) for process in processes], log.read_text())


@pytest.fixture(scope="module")
def pairs(set_aside: SetAside) -> Iterator[Pairs]:
    pairs = Pairs(set_aside)
    yield pairs
    pairs.server.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> Path:
    """Where two processes have done everything in `two_processes`, and one has done some of it alone."""
    place = tmp_path_factory.mktemp("two")
    model = blank_model(place / "model")
    train(recipe(model, steps=6), out=place / "by one first", on_step=stopping_at(3))
    ended = pairs.start(model, place)
    train(recipe(model, steps=6), out=place / "alone")  # meanwhile
    codes, said = ended()
    assert codes == [0, 0], said
    return place


@pytest.fixture(scope="module")
def found(place: Path) -> list[dict[str, Any]]:
    return [json.loads((place / f"found{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("parallel", ["data", "fsdp"])
def test_gradients_are_those_of_one_process(found: list[dict[str, Any]], parallel: str) -> None:
    for one in found:
        learning = one["learning"]
        for name in ("many", "siblings", "few", "none", "shown"):
            assert learning[f"{parallel} {name} gradient"] < 1e-5
            alone, together = learning[f"{parallel} {name} metrics"]
            assert list(alone) == list(together)
            assert together == pytest.approx(alone, rel=1e-5, abs=1e-7)
        assert learning[f"{parallel} many metrics"][0]["grad_norm"] > 0.1
        assert learning[f"{parallel} shown metrics"][0]["grad_norm"] > 0.1
        ours, by_rounding = learning[f"{parallel} weights"]
        assert ours < 5 * by_rounding < 1e-3
        assert learning[f"{parallel} restored"] is True
        assert learning[f"{parallel} measured"] < 1e-5


@pytest.mark.parametrize("way", ["adapter", "recompute", "both", "half adapter"])
@pytest.mark.parametrize("parallel", ["data", "fsdp"])
def test_adapters_and_gradient_checkpointing_learn_in_two_processes(
    found: list[dict[str, Any]], parallel: str, way: str
) -> None:
    for one in found:
        seen = one["ways"][f"{parallel} {way}"]
        assert seen["gradient"] < 1e-5
        assert seen["numbers"][0] == seen["numbers"][1]
        assert seen["computed"] == (1 if way == "adapter" else 2)  # the backward pass computes each layer again
        assert seen["norm"] > 0.01
        assert seen["moved"] > 1e-4
        assert seen["measured"] < 1e-5  # what samples has what was learned


@pytest.mark.parametrize("parallel", ["data", "fsdp"])
def test_bfloat16_learns_through_float32_masters_in_two_processes(found: list[dict[str, Any]], parallel: str) -> None:
    for one in found:
        seen = one["halves"][parallel]
        assert seen["gradient"] < 2e-2  # rows lie in other passes, and bfloat16 rounds there
        ours, alone, angle = seen["moved"]
        assert ours == pytest.approx(alone, rel=0.02)
        assert angle > 0.99
        assert seen["formats"] == ["torch.float32"]
        assert seen["rounded"] is seen["restored"] is seen["goes on"] is True


def test_critics_of_several_processes_are_one(found: list[dict[str, Any]]) -> None:
    first, second = (one["critics"] for one in found)
    for one in (first, second):
        assert one["metrics agree"] is one["weights agree"] is True
        assert "no longer agree (the sum of the critic's weights" in one["diverged"]
    assert first["values"] == second["values"] != 0


def test_a_run_whose_process_was_killed_goes_on_to_the_same_weights(place: Path, pairs: Pairs) -> None:
    codes, said = pairs.start(place / "model", place, "killed")()
    assert codes[0] > 0
    assert codes[1] == -signal.SIGKILL
    assert "Another process of this run has ended" in said
    run = RunDirectory.open(place / "killed")
    assert run.checkpoints()[-1] == 2
    shutil.copytree(place / "killed", place / "killed, by one")
    ended = pairs.start(place / "model", place, "goes on")
    assert resume(place / "killed, by one").finished  # meanwhile
    codes, said = ended()
    assert codes == [0, 0], said
    alone = RunDirectory.open(place / "alone")
    wanted = load_tensors(alone.latest_checkpoint() / "model.safetensors")
    for name in ("killed", "killed, by one"):
        run = RunDirectory.open(place / name)
        assert [row["step"] for row in run.metrics()] == [1, 2, 3, 4, 5, 6]
        assert run.rollouts(6)[0]["tokens"] == alone.rollouts(6)[0]["tokens"]
        found = load_tensors(run.latest_checkpoint() / "model.safetensors")
        assert list(found) == list(wanted)
        for key in wanted:
            torch.testing.assert_close(found[key], wanted[key], rtol=1e-3, atol=2e-4)


def test_sampling_and_judging_are_divided_and_agree(found: list[dict[str, Any]]) -> None:
    for one in found:
        dividing = one["dividing"]
        assert all(dividing["tokens agree"])
        assert dividing["verdicts agree"]
        assert dividing["groups"] == [f"p{number}" for number in range(7)]
    assert [one["dividing"]["judged here"] for one in found] == [6, 3]


def test_what_one_process_meets_all_of_them_hear(found: list[dict[str, Any]]) -> None:
    first, second = (one["failing"] for one in found)
    same = {"ForageError": "ForageError: No disk.", "KeyboardInterrupt": "KeyboardInterrupt: "}
    same["SystemExit"] = "SystemExit: 3"
    assert first == {**same, "ValueError": "ForageError: Process 2 of 2 failed: ValueError: odd"}
    assert second == {**same, "ValueError": "ValueError: odd"}


@pytest.mark.parametrize("name", ["data", "fsdp", "by one first"])
def test_a_run_goes_on_with_another_number_of_processes(place: Path, found: list[dict[str, Any]], name: str) -> None:
    """Two processes stop after step 3 and one goes on, and the other way round: the run is that of one process."""
    if name == "by one first":
        assert found[0]["runs"]["resumed"] == [6, True]
    else:
        assert found[0]["runs"][name] == [3, False]
        assert resume(place / name).finished
    run, alone = RunDirectory.open(place / name), RunDirectory.open(place / "alone")
    assert len(run.metrics()) == 6
    for row, expected in zip(run.metrics(), alone.metrics(), strict=True):
        del row["seconds"], expected["seconds"]
        assert list(row) == list(expected)
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert run.rollouts(4)[0]["tokens"] == alone.rollouts(4)[0]["tokens"]
    for file in ("model.safetensors", "training/optimizer.safetensors"):
        mine, theirs = (load_tensors(of.latest_checkpoint() / file) for of in (run, alone))
        assert list(mine) == list(theirs)
        for key in mine:
            assert mine[key].shape == theirs[key].shape
            if file == "model.safetensors":
                torch.testing.assert_close(mine[key], theirs[key], rtol=1e-3, atol=2e-4)


def test_an_evaluation_is_divided(place: Path, found: list[dict[str, Any]]) -> None:
    evaluation = Evaluation.load(Path(found[0]["runs"]["evaluation"]))
    assert evaluation.n == 70
    assert [outcome.n for outcome in evaluation.problems] == [70, 70, 70]
    assert len(list((place / "by one first" / "evals" / "samples").glob("*/*/*.parquet"))) == 2


def command(model: Path, path: Path) -> list[str]:
    settings = "--steps 2000 --groups 2 --group-size 4 --max-tokens 8 --matmul highest --checkpoint-every 4"
    return ["train", "countdown", "--model", str(model), "--out", str(path), "--parallel", "fsdp", *settings.split()]


def wait_for_steps(process: subprocess.Popen[str] | CommandProcess, path: Path, steps: int) -> None:
    metrics = path / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= steps):
        time.sleep(0.05)
    assert process.poll() is None


def test_an_interrupt_saves_once(tiny_base: Path, tmp_path: Path, pairs: Pairs) -> None:
    path, log = tmp_path / "run", tmp_path / "said"
    process = pairs.server.start([["torchrun", *command(tiny_base, path)]], log)
    wait_for_steps(process, path, 1)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    assert log.read_text().count(f"Go on with: forage resume {path}") == 1, log.read_text()
    run = RunDirectory.open(path)
    assert run.checkpoints()[-1] == run.metrics()[-1]["step"]


@pytest.mark.slow
def test_a_lost_process_ends_the_run_with_a_sentence(tiny_base: Path, tmp_path: Path) -> None:
    """With torchrun itself; `test_a_run_whose_process_was_killed_goes_on_to_the_same_weights` does without it."""
    process = torchrun("-m", "forage", *command(tiny_base, tmp_path / "run"))
    wait_for_steps(process, tmp_path / "run", 1)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    run = RunDirectory.open(tmp_path / "run")
    stopped = int(run.metrics()[-1]["step"])
    process = torchrun("-m", "forage", "resume", run.path)
    wait_for_steps(process, run.path, stopped + 1)
    os.kill(second_of(process.pid), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.count("Another process of this run has ended") == 1, said
    assert "forage resume" in said
    assert run.checkpoints()[-1] >= stopped
    assert run.latest_checkpoint()


def second_of(launcher: int) -> int:
    """The process of rank 1, a child of torchrun."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == launcher and b"\0RANK=1\0" in b"\0" + (entry / "environ").read_bytes():
                    return int(entry.name)
            except (OSError, ValueError):
                continue
    raise AssertionError("torchrun has no second process")


# ------------------------------------------------------------------------------------------------ without processes


def test_rows_are_dealt_evenly_and_each_once() -> None:
    lengths = torch.tensor([9, 1, 8, 2, 7, 3, 6, 4, 5])
    # By length 9 8 7 6 5 4 3 2 1, dealt there and back to three: 9 4 3, 8 5 2 and 7 6 1.
    assert [lengths[rows].tolist() for rows in partition_rows(lengths, 3)] == [[9, 4, 3], [8, 5, 2], [7, 6, 1]]
    assert sorted(torch.cat(partition_rows(lengths, 4)).tolist()) == list(range(9))
    assert [len(rows) for rows in partition_rows(lengths[:1], 2)] == [1, 0]


class Echo(ProcessGroup):
    """Two processes that fare alike."""

    world = 2

    def gather(self, content: bytes) -> list[bytes]:
        return [content, content]

    def add(self, tensor: torch.Tensor) -> None:
        raise AssertionError("nothing is added here")


def test_an_end_waits_until_what_has_changed_is_written_down() -> None:
    ranks, written = Echo(), []
    gate = SharedGate(ranks)
    with gate:
        ranks.stopping = True  # Ctrl-C while the weights change
    ranks.only_first(lambda: written.append("the step"))
    assert written == ["the step"]
    with pytest.raises(KeyboardInterrupt):
        gate.reopen()
    ranks.stopping = True
    with pytest.raises(KeyboardInterrupt):
        ranks.only_first(lambda: written.append("the next one"))
    assert written == ["the step"]


def test_records_cross_bit_for_bit() -> None:
    odd = Problem("p\ud800", (Message("user", "\0"),), "x", "toy", ("a",))
    start = Start(odd, (1, 2))
    response = Rollout(start, (3, 4), (-0.1, -1e-300), (0.25, math.inf), "\udfff\n", (1, 2), "length", 7)
    scores = (Score(math.nan, {"correct": 0.0}), Score(0.1 + 0.2, {}, (0.5, -0.0), graded=True))
    groups = [Group(start, (response, response), scores), group([1.0, 0.5], lengths=[1, 3])]
    again = groups_from_bytes(groups_to_bytes(groups))
    assert repr(again) == repr(groups)
    assert [one.start for one in again] == [one.start for one in groups]
    finished = [(4, (Completion((1,), (-0.5,), (0.5,), "eos"), Completion((), (), (), "length"))), (0, ())]
    assert completions_from_bytes(completions_to_bytes(finished)) == finished
    assert groups_from_bytes(groups_to_bytes([])) == []
