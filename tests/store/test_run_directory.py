import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.errors import ForageError
from forage.store.checkpoint import load_tensors, write_checkpoint
from forage.store.rollout_rows import rollout_rows
from forage.store.rollout_table import SCHEMA
from forage.store.run_directory import RunDirectory
from support import builders

RECIPE = {"part": "forage.training.recipe.Recipe", "name": "ünïcode", "steps": 3}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs" / "one", RECIPE)


def row(step: int, **values: float) -> dict[str, float]:
    return {"step": step, "reward": 0.1 * step, **values}


def rollout(**values: Any) -> dict[str, Any]:
    return {
        "step": 10,
        "problem": "p",
        "prompt": "ab",
        "group": 0,
        "sibling": 1,
        "prefix": [1, 2],
        "text": "so 7",
        "pieces": ["so", " 7"],
        "tokens": [5, 6],
        "given": [[0, 1]],
        "logprobs": [-0.5, -0.25],
        "entropies": [0.5, 0.0],
        "advantages": [1.0, -1.0],
        "values": [],
        "reward": 1.0,
        "correct": 1.0,
        "mode": "1+1",
        "stop": "eos",
        **values,
    }


# ------------------------------------------------------------------------------------------------------ the directory


def test_create_and_open(run: RunDirectory) -> None:
    assert RunDirectory.open(run.path) == run
    assert run.recipe() == RECIPE
    assert list(run.recipe()) == list(RECIPE)
    assert (run.metrics(), run.rollout_steps(), run.checkpoints(), run.evaluation_files()) == ([], [], [], [])


def test_equal_recipes_give_equal_bytes(run: RunDirectory, tmp_path: Path) -> None:
    other = RunDirectory.create(tmp_path / "two", dict(RECIPE))
    assert (other.path / "recipe.json").read_bytes() == (run.path / "recipe.json").read_bytes()


def test_an_existing_run_is_never_overwritten(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match=r"exists already.*forage resume"):
        RunDirectory.create(run.path, {"name": "other"})
    assert run.recipe() == RECIPE
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForageError, match="Name another folder") as caught:
        RunDirectory.create(tmp_path / "empty", RECIPE)
    assert "resume" not in str(caught.value)


def test_open_says_what_lies_there_instead(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path, words in (
        (tmp_path / "nowhere", "nothing of that name exists"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "folder", "has no recipe.json"),
        (run.path / "checkpoints", f"is a part of the run {run.path}"),
    ):
        with pytest.raises(ForageError, match=words):
            RunDirectory.open(path)


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_a_damaged_recipe_is_a_sentence(run: RunDirectory, content: str) -> None:
    (run.path / "recipe.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ForageError, match=r"recipe.json"):
        run.recipe()


# ----------------------------------------------------------------------------------------------------------- the lock


def test_two_writers_are_refused_and_the_lock_returns(run: RunDirectory) -> None:
    with run.lock(), pytest.raises(ForageError, match="written by another process"), run.lock():
        pytest.fail("two writers")
    with run.lock():
        pass


def test_the_lock_of_a_killed_process_is_free(run: RunDirectory) -> None:
    program = (
        "import sys, time, pathlib; from forage.store.run_directory import RunDirectory\n"
        "with RunDirectory(pathlib.Path(sys.argv[1])).lock():\n"
        "    print('here', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(run.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(ForageError, match=f"number {process.pid}"), run.lock():
            pytest.fail("two writers")
        process.kill()
    with run.lock():
        pass


def test_the_lock_clears_away_what_a_killed_writer_left(run: RunDirectory) -> None:
    leftovers = [
        run.path / ".metrics.jsonl.0123456789ab.partial",
        run.path / "rollouts" / ".step-000001.parquet.0123456789ab.partial",
    ]
    others = [run.path / ".report.html.0123456789ab.partial"]  # somebody may be writing a report right now
    for path in leftovers + others:
        path.write_text("half")
    (run.path / "checkpoints" / ".step-000001.0123456789ab.partial").mkdir()
    with run.lock():
        assert not any(path.exists() for path in leftovers)
        assert all(path.exists() for path in others)
        assert list((run.path / "checkpoints").iterdir()) == []


# ------------------------------------------------------------------------------------------------------------ metrics


def test_metrics_return_exactly(run: RunDirectory) -> None:
    rows = [row(1, tokens=12345678901), row(2, grad_norm=math.inf, ratio_max=-math.inf, reward=1e-300)]
    for each in rows:
        run.append_metrics(each)
    assert run.metrics() == rows
    run.append_metrics(row(3, kl=math.nan))
    assert math.isnan(run.metrics()[2]["kl"])
    for line in (run.path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_torn_last_row_does_not_count_and_does_not_grow(run: RunDirectory) -> None:
    path = run.path / "metrics.jsonl"
    run.append_metrics(row(1))
    run.append_metrics(row(2))
    whole = path.read_bytes()
    for cut in range(1, len(whole) // 2 - 1):
        path.write_bytes(whole[:-cut])
        with pytest.warns(UserWarning, match=r"The last line of .* was cut off and does not count"):
            assert run.metrics() == [row(1)]
    run.append_metrics(row(2))
    assert path.read_bytes() == whole


def test_the_last_row_is_the_last_whole_one(run: RunDirectory, tmp_path: Path) -> None:
    assert run.last_row() == RunDirectory(tmp_path / "none").last_row() == {}
    lines = [json.dumps(row(step, padding=0.1 + 0.2)) for step in range(1, 2000)]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 2000')
    assert (run.path / "metrics.jsonl").stat().st_size > 1 << 16  # more than is read
    assert run.last_row()["step"] == 1999


def test_a_damaged_row_in_the_middle_is_named(run: RunDirectory) -> None:
    for content in (b'{"step": 1}\nnonsense\n{"step": 3}\n', b'{"step": 1}\n[]\n', b'{"step": 1}\n{"reward": 1}\n'):
        (run.path / "metrics.jsonl").write_bytes(content)
        with pytest.raises(ForageError, match="Line 2"):
            run.metrics()


def test_truncating_for_resume(run: RunDirectory) -> None:
    run.truncate_metrics(0)
    for step in range(1, 6):
        run.append_metrics(row(step, kl=math.inf))
    run.truncate_metrics(3)
    assert run.metrics() == [row(step, kl=math.inf) for step in (1, 2, 3)]
    run.append_metrics(row(4))
    assert [each["step"] for each in run.metrics()] == [1, 2, 3, 4]


def test_a_row_that_does_not_fit_on_the_disk_leaves_no_trace(run: RunDirectory) -> None:
    """A real limit on file sizes lets the first bytes of the row through and refuses the rest."""
    run.append_metrics(row(1))
    size = (run.path / "metrics.jsonl").stat().st_size
    program = (
        "import resource, sys, pathlib\n"
        "from forage.core.errors import ForageError\n"
        "from forage.store.run_directory import RunDirectory\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 5}, {size + 5}))\n"
        "try:\n"
        "    RunDirectory(pathlib.Path(sys.argv[1])).append_metrics({'step': 2, 'reward': 0.125})\n"
        "except ForageError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run.path)], capture_output=True, text=True, check=True)
    assert "could not be written: File too large" in done.stdout
    assert (run.path / "metrics.jsonl").stat().st_size == size
    assert run.metrics() == [row(1)]


# ----------------------------------------------------------------------------------------------------------- rollouts


def test_rollouts_return(run: RunDirectory) -> None:
    rows = [rollout(), rollout(sibling=2, prefix=[], reward=0.0, text="a\0b", stop="length")]
    run.write_rollouts(10, rows)
    assert run.rollouts(10) == rows
    run.write_rollouts(10, rows[:1])
    run.write_rollouts(2, [])
    assert (run.rollouts(10), run.rollouts(2), run.rollout_steps()) == (rows[:1], [], [2, 10])


def test_unjudged_and_surrogates(run: RunDirectory) -> None:
    run.write_rollouts(1, [rollout(reward=math.nan, correct=math.nan, text="a\ud800b", pieces=["\udfff", ""])])
    (found,) = run.rollouts(1)
    assert math.isnan(found["reward"])
    assert (found["text"], found["pieces"]) == ("a\ufffdb", ["\ufffd", ""])


def test_rollouts_of_before_states_were_valued_are_read(run: RunDirectory) -> None:
    run.write_rollouts(5, [rollout()])
    file = run.path / "rollouts" / "step-000005.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["values"]), file)
    assert run.rollouts(5) == [rollout(values=[])]


def test_rollouts_of_before_environments_are_read(run: RunDirectory) -> None:
    run.write_rollouts(5, [rollout(given=[])])
    file = run.path / "rollouts" / "step-000005.parquet"
    assert run.rollouts(5) == [rollout(given=[])]
    pq.write_table(pq.read_table(file).drop_columns(["given", "values", "mode"]), file)
    assert run.rollouts(5) == [rollout(given=[], values=[], mode=None)]


def test_rollouts_of_wrong_columns_are_a_bug(run: RunDirectory) -> None:
    with pytest.raises(ValueError, match="columns"):
        run.write_rollouts(1, [{**rollout(), "extra": 1}])
    assert run.rollout_steps() == []


def test_missing_and_damaged_rollouts_are_sentences(run: RunDirectory) -> None:
    run.write_rollouts(10, [rollout(text="x" * 1000)])
    with pytest.raises(ForageError, match=r"no rollouts of step 9\. Steps with rollouts: 10"):
        run.rollouts(9)
    path = run.path / "rollouts" / "step-000010.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(ForageError, match="cannot be read"):
        run.rollouts(10)


class Letters:
    def prompt(self, problem: object) -> tuple[int, ...]:
        return (1, 2)

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(ord(letter) - ord("a") for letter in text)

    def decode(self, tokens: Any) -> str:
        return "".join(self.pieces(tokens))

    def pieces(self, tokens: Any) -> tuple[str, ...]:
        return tuple(chr(ord("a") + token) for token in tokens)


def test_the_rows_of_a_step_fit_the_table(run: RunDirectory) -> None:
    """Two groups, lengths 1 and 2, one replayed prefix; a step's advantages lie where `loss_mask` is True."""
    groups = [
        builders.group([1.0, math.nan], lengths=[2, 1]),
        builders.group([0.0], lengths=[1], name="q", prefix=(7,)),
    ]
    loss_mask = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    advantage = torch.tensor([[0, 0, 0.1, -0.1], [0, 0, 0, 0], [0, 0, 0, 2.0]])
    entropy = torch.where(
        loss_mask, torch.tensor([[9.0, 9.0, 0.25, 0.5], [9.0, 9.0, 0.75, 9.0], [9.0, 9.0, 9.0, 1.5]]), 9.0
    )
    rows = rollout_rows(groups, advantage, entropy, loss_mask, 3, Letters())
    run.write_rollouts(3, rows)
    found = run.rollouts(3)
    assert [set(each) for each in found] == [set(SCHEMA.names)] * 3
    assert [(each["problem"], each["group"], each["sibling"]) for each in found] == [
        ("p", 0, 0),
        ("p", 0, 1),
        ("q", 1, 0),
    ]
    assert found[0]["advantages"] == advantage[0, 2:].tolist()
    assert found[2]["advantages"] == [2.0]
    assert [each["entropies"] for each in found] == [[0.25, 0.5], [0.75], [1.5]]
    assert [each["pieces"] for each in found] == [["f", "g"], ["f"], ["f"]]
    assert [each["prefix"] for each in found] == [[], [], [7]]
    assert math.isnan(found[1]["reward"])
    assert [each["values"] for each in found] == [[]] * 3
    known = rollout_rows(groups, advantage, entropy, loss_mask, 3, Letters(), values=advantage + 0.5)
    assert [each["values"] for each in known] == [pytest.approx([0.6, 0.4]), [0.5], [2.5]]
    some = torch.full(loss_mask.shape, math.nan)
    some[0, 3] = 0.25
    run.write_rollouts(4, rollout_rows(groups, advantage, entropy, loss_mask, 4, Letters(), values=some))
    first, *others = (each["values"] for each in run.rollouts(4))
    assert math.isnan(first[0])
    assert first[1] == 0.25
    assert others == [[], []], "nothing is known of them"


# ------------------------------------------------------------------------------- checkpoints, evaluations, bad updates


def test_checkpoints_of_a_run(run: RunDirectory) -> None:
    with pytest.raises(ForageError, match="no checkpoint yet"):
        run.latest_checkpoint()
    for step in (20, 100):
        write_checkpoint(run.path / "checkpoints", step, lambda path: (path / "w").touch())
    assert run.checkpoints() == [20, 100]
    assert run.latest_checkpoint() == run.checkpoint(100) == run.path / "checkpoints" / "step-000100"


def test_evaluation_files(run: RunDirectory) -> None:
    for name in ("b.json", "a.json", ".a.json.1.tmp", ".c.json", "samples"):
        (run.path / "evals" / name).touch()
    assert [path.name for path in run.evaluation_files()] == ["a.json", "b.json"]


def test_an_update_that_was_not_finite_is_kept(run: RunDirectory) -> None:
    shape, rows = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    batch = Batch(
        tokens=torch.arange(6).reshape(2, 3),
        loss_mask=torch.tensor([[False, True, True], [False, False, True]]),
        origin=rows,
        behaviour=shape - 1,
        entropy=shape + 2,
        reward=torch.tensor([math.nan, 1.0]),
        group=rows,
        step=shape.long(),
        step_reward=shape,
        version=rows,
        weight=torch.ones(2),
    )
    train = TrainBatch(Experience(batch, {"entropy": shape + 2}), torch.tensor([[0.0, math.inf, 1], [0, 0, 0]]))
    path = run.write_offending(12, train)
    assert path == run.path / "offending" / "step-000012.safetensors"
    found = load_tensors(path)
    assert torch.equal(found["advantage"], train.advantage)
    assert torch.equal(found["tokens"], batch.tokens)
    assert torch.equal(found["loss_mask"], batch.loss_mask)
    assert torch.equal(found["signal.entropy"], shape + 2)
