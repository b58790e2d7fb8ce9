"""Methods that sample again from the middle, from end to end: interrupted and resumed, the same bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.methods import Applied, grpo, vineppo
from forage.recipe import Recipe
from forage.recipes import countdown
from forage.rewards import Overlong
from forage.store.run_directory import RunDirectory
from forage.training import resume, train


def small(base: Path, method: Applied, *, steps: int = 4) -> Recipe:
    """So small a model never solves a problem; lengths differ, so the overlong reward lets it learn something."""
    recipe = countdown(
        model=str(base),
        steps=steps,
        problems=4,
        siblings=4,
        max_tokens=24,
        checkpoint_every=2,
        lr=1e-3,
        threads=1,
        matmul="highest",
    )
    return method(replace(recipe, rewards=(Overlong(limit=24, buffer=20),), methods=()))


def rows(path: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory.open(path).metrics()]


def final_weights(path: Path) -> bytes:
    return (RunDirectory.open(path).latest_checkpoint() / "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", [vineppo(continuations=2, max_steps=4)], ids=lambda entry: entry.label)
def test_interrupted_and_resumed_it_is_the_same_run(tiny_base: Path, tmp_path: Path, method: Applied) -> None:
    train(small(tiny_base, method), out=tmp_path / "whole")

    def stop_in_the_middle(metrics: Any) -> None:
        if metrics["step"] == 3:
            raise KeyboardInterrupt

    assert train(small(tiny_base, method), out=tmp_path / "parts", on_step=stop_in_the_middle).step == 3
    assert resume(tmp_path / "parts").finished
    assert str(rows(tmp_path / "whole")) == str(rows(tmp_path / "parts"))
    assert final_weights(tmp_path / "whole") == final_weights(tmp_path / "parts")
    assert final_weights(tmp_path / "whole") != (tiny_base / "model.safetensors").read_bytes()
    assert all(row["grad_norm"] > 0 for row in rows(tmp_path / "whole"))


def test_the_tokens_that_values_cost_are_counted(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, vineppo(continuations=2, max_steps=4), steps=1), out=tmp_path / "vine")
    train(small(tiny_base, grpo(), steps=1), out=tmp_path / "grpo")
    (vine,), (plain,) = rows(tmp_path / "vine"), rows(tmp_path / "grpo")
    assert plain["tokens"] == 16 * plain["length"]
    assert vine["length"] == plain["length"], "the first step's responses are the same"
    assert vine["tokens"] > 2 * plain["tokens"]
