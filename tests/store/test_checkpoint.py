import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from forage.core.errors import ForageError
from forage.store.checkpoint import (
    checkpoint_path,
    checkpoint_steps,
    find_damage,
    latest_intact,
    load_state,
    load_tensors,
    prune_checkpoints,
    read_checkpoint,
    save_tensors,
    write_checkpoint,
)


def writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path / "weights").write_text(text)
        (path / "tokenizer").mkdir()
        (path / "tokenizer" / "words").write_text("a b c")

    return write


def save(directory: Path, *steps: int) -> None:
    for step in steps:
        write_checkpoint(directory, step, writer(f"weights of {step}"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: truncate(path / "weights"), "its file weights has 11 bytes instead of 12"),
    "one bit": (lambda path: flip(path / "weights"), "the contents of its file weights have changed"),
    "missing": (lambda path: (path / "tokenizer" / "words").unlink(), "its file tokenizer/words is missing"),
    "no manifest": (lambda path: (path / "manifest.json").unlink(), "its manifest.json is missing"),
    "half a manifest": (lambda path: truncate_half(path / "manifest.json"), "its manifest.json cannot be read"),
    "another manifest": (lambda path: (path / "manifest.json").write_text("[]"), "its manifest.json cannot be read"),
}


def truncate_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_round_trip(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 100, writer("w"))
    assert path == tmp_path / "step-000100" == checkpoint_path(tmp_path, 100)
    assert read_checkpoint(path) == path == latest_intact(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    assert set(manifest["files"]) == {"weights", "tokenizer/words"}
    assert manifest["files"]["weights"]["bytes"] == 1


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert latest_intact(tmp_path) is None
    assert latest_intact(tmp_path / "nowhere") is None
    assert checkpoint_steps(tmp_path / "nowhere") == []
    assert find_damage(tmp_path / "step-000001") == "it does not exist"


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_the_newest_intact_one_found(tmp_path: Path, name: str) -> None:
    save(tmp_path, 1, 2, 3)
    damage, words = DAMAGES[name]
    damage(checkpoint_path(tmp_path, 3))
    with pytest.raises(ForageError, match="step-000003 cannot be used: " + words) as caught:
        read_checkpoint(checkpoint_path(tmp_path, 3))
    assert str(checkpoint_path(tmp_path, 2)) in str(caught.value)
    with pytest.warns(UserWarning, match=words):
        assert latest_intact(tmp_path) == checkpoint_path(tmp_path, 2)


def test_when_all_are_damaged_nothing_begins_again_unseen(tmp_path: Path) -> None:
    save(tmp_path, 1)
    flip(tmp_path / "step-000001" / "weights")
    with pytest.raises(ForageError, match="None of the checkpoints"):
        latest_intact(tmp_path)
    with pytest.raises(ForageError, match="There is no intact one beside it"):
        read_checkpoint(tmp_path / "step-000001")


def test_steps_sort_as_numbers(tmp_path: Path) -> None:
    save(tmp_path, 999_999, 1_000_000, 5)
    (tmp_path / "step-7").mkdir()
    (tmp_path / "step-000008").write_text("a file")
    assert checkpoint_steps(tmp_path) == [5, 999_999, 1_000_000]
    assert latest_intact(tmp_path) == tmp_path / "step-1000000"


def test_a_failed_write_leaves_everything_as_it_was(tmp_path: Path) -> None:
    save(tmp_path, 1)

    def fail(path: Path) -> None:
        (path / "weights").write_text("half")
        (path / "device").symlink_to("/dev/full")
        (path / "device").write_bytes(b"the other half")

    for step in (1, 2):
        with pytest.raises(ForageError, match="disk is full"):
            write_checkpoint(tmp_path, step, fail, keep=1)
    assert {path.name for path in tmp_path.iterdir()} == {"step-000001"}
    assert (read_checkpoint(tmp_path / "step-000001") / "weights").read_text() == "weights of 1"


def test_the_same_step_again_replaces(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = write_checkpoint(tmp_path, 1, writer("new"))
    assert (read_checkpoint(path) / "weights").read_text() == "new"
    assert {entry.name for entry in tmp_path.iterdir()} == {"step-000001"}


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    for step in range(1, 6):
        write_checkpoint(tmp_path, step, writer(str(step)), keep=2)
    assert checkpoint_steps(tmp_path) == [4, 5]


def test_pruning_counts_intact_ones_only(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3, 4)
    for step in (3, 4):
        flip(checkpoint_path(tmp_path, step) / "weights")
    prune_checkpoints(tmp_path, 1)
    assert checkpoint_steps(tmp_path) == [2, 3, 4]
    assert find_damage(checkpoint_path(tmp_path, 2)) is None
    with pytest.raises(ForageError, match="At least one"):
        prune_checkpoints(tmp_path, 0)


def test_a_leftover_of_a_killed_save_is_no_checkpoint(tmp_path: Path) -> None:
    leftover = tmp_path / ".step-000009.0123456789ab.partial"
    leftover.mkdir()
    save(tmp_path, 1)
    assert checkpoint_steps(tmp_path) == [1]
    assert not leftover.exists()


# ---------------------------------------------------------------------------------------------------------- tensors


def test_tensors_return_exactly(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {
        "float64": torch.tensor([0.1, float("nan"), float("-inf"), -0.0], dtype=torch.float64),
        "bfloat16": torch.tensor([[1.5], [2.25]], dtype=torch.bfloat16),
        "bool": torch.tensor([True, False]),
        "int": torch.tensor([2**62, -1]),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 4),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "shared": shared,
        "view": shared[2:4],
    }
    save_tensors(tmp_path / "t", tensors)
    loaded = load_tensors(tmp_path / "t")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0, equal_nan=True)
    assert torch.signbit(loaded["float64"][3])
    assert load_state(tmp_path / "t") is None


def test_no_tensors_and_state(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {}, {"counts": [1, 2.5, None], "rate": 0.1})
    assert load_tensors(tmp_path / "t") == {}
    assert load_state(tmp_path / "t") == {"counts": [1, 2.5, None], "rate": 0.1}


def test_a_damaged_tensor_file_is_a_sentence(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"a": torch.ones(100)})
    truncate(tmp_path / "t")
    for path in (tmp_path / "t", tmp_path / "nowhere"):
        with pytest.raises(ForageError, match="cannot be read"):
            load_tensors(path)


def test_adamw_returns_exactly_and_goes_on_alike(tmp_path: Path) -> None:
    """Two parameter groups, saved after three steps: the next three are the same bits as without the interruption."""

    def make() -> tuple[list[torch.nn.Parameter], torch.optim.AdamW]:
        parameters = [torch.nn.Parameter(torch.linspace(-1, 1, 5)), torch.nn.Parameter(torch.ones(2, 2))]
        groups = [{"params": parameters[:1], "lr": 1e-2}, {"params": parameters[1:], "weight_decay": 0.1}]
        return parameters, torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), foreach=True)

    def advance(parameters: list[torch.nn.Parameter], optimizer: torch.optim.AdamW) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            torch.stack([(p**3).sum() for p in parameters]).sum().backward()
            optimizer.step()

    parameters, optimizer = make()
    advance(parameters, optimizer)
    saved = optimizer.state_dict()
    tensors = {f"{number}.{key}": value for number, entry in saved["state"].items() for key, value in entry.items()}
    weights = {f"weight.{number}": parameter for number, parameter in enumerate(parameters)}
    save_tensors(tmp_path / "adamw", {**tensors, **weights}, saved["param_groups"])

    others, other = make()
    loaded = load_tensors(tmp_path / "adamw")
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in loaded.items():
        number, key = name.split(".")
        if number != "weight":
            state.setdefault(int(number), {})[key] = value
    for number, parameter in enumerate(others):
        parameter.data.copy_(loaded[f"weight.{number}"])
    other.load_state_dict({"state": state, "param_groups": load_state(tmp_path / "adamw")})

    assert [float(entry["step"]) for entry in other.state_dict()["state"].values()] == [3.0, 3.0]
    assert [group["lr"] for group in other.param_groups] == [1e-2, 3e-3]
    advance(parameters, optimizer)
    advance(others, other)
    for left, right in zip(parameters, others, strict=True):
        assert torch.equal(left, right)
