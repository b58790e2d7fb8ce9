"""HICRA in a run: the update lands, alpha 0 does not, and the list's file is not needed again."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.methods import Applied, grpo, hicra, hicra_entropy, hicra_random
from forage.parts.rewards import Overlong
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import default_directory, resume, train

GRAMS = Path(__file__).parent / "grams.json"


def trained(base: Path, out: Path, *methods: Applied) -> tuple[bytes, dict[str, float]]:
    """The weights after two steps, and the last row of metrics."""
    settings: dict[str, Any] = {"groups": 4, "group_size": 4, "max_tokens": 24, "checkpoint_every": 1, "lr": 1e-3}
    recipe = countdown(model=str(base), method=methods, steps=2, threads=1, matmul="highest", **settings)
    # So small a model never solves a problem; lengths differ, so this reward lets it learn something.
    train(replace(recipe, rewards=(*recipe.rewards, Overlong(limit=24, buffer=20))), out=out)
    return weights(out), RunDirectory.open(out).metrics()[-1]


def weights(run: Path) -> bytes:
    return (RunDirectory.open(run).latest_checkpoint() / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def plain(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return trained(tiny_base, tmp_path_factory.mktemp("plain") / "run", grpo())[0]


def test_alpha_zero_is_the_base_bit_for_bit(tiny_base: Path, plain: bytes, tmp_path: Path) -> None:
    found, metrics = trained(tiny_base, tmp_path / "run", grpo(), hicra(grams=str(GRAMS), alpha=0.0, scale=True))
    assert found == plain
    assert metrics["bonus_share"] == 0


def test_the_update_lands(tiny_base: Path, plain: bytes, tmp_path: Path) -> None:
    for name, method in {"method": hicra, "placebo": hicra_random, "joint": hicra_entropy}.items():
        found, metrics = trained(tiny_base, tmp_path / name, grpo(), method(grams=str(GRAMS), scale=True))
        assert found != plain
        assert 0 < metrics["planning_share"] < 1
        assert metrics["bonus_share"] > 0
        assert metrics["gram_bins"] <= metrics["gram_count"] > 0
        assert metrics["gram_entropy"] >= metrics["gram_entropy_plug_in"] >= 0
        assert 0 < metrics["entropy_execution"] < 10


def test_the_list_is_in_the_run(tiny_base: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(GRAMS, tmp_path / "grams.json"))
    wanted, _ = trained(tiny_base, tmp_path / "run", grpo(), hicra(grams=str(file)))
    file.unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-000002")
    assert resume(tmp_path / "run").finished
    assert weights(tmp_path / "run") == wanted


def test_the_place_of_the_list_stays_out_of_the_name_of_the_run() -> None:
    recipe = countdown(model="none", method=(grpo(), hicra(grams=str(GRAMS), alpha=0.1)))
    assert default_directory(recipe) == Path("runs/countdown-demo-grpo+hicra-gramsgrams.json-alpha0.1-seed0")
