"""verl's own step on one node: its configuration, queue on Ray, buffer, estimator and loss, with a tiny model."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("verl")
pytest.importorskip("transfer_queue")

import ray  # pyright: ignore[reportMissingImports]
import transfer_queue as tq  # pyright: ignore[reportMissingImports]

from adapters.trl_world import write_qwen
from adapters.verl_world import configuration, run, trainer
from forage.adapters import verl as adapter
from forage.core.errors import ForageError


@pytest.fixture(scope="module")
def queue() -> Any:
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    tq.init()
    yield tq
    tq.close()
    ray.shutdown()


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_qwen(tmp_path_factory.mktemp("qwen"))


def ours(qwen: Path, *methods: str, **extra: str) -> Any:
    named = ",".join(f'"{method}"' for method in methods)
    return configuration(qwen, "trainer.v1.trainer_mode=forage_sync", f"+forage.methods=[{named}]", *extra.values())


def weights(made: Any) -> list[torch.Tensor]:
    return [value.detach() for value in made.actor_rollout_wg.model.parameters()]


def test_steps_of_verl_with_the_plug_in_and_without(queue: Any, qwen: Path) -> None:
    """alpha 0 leaves losses and weights those of verl's own trainer bit for bit; alpha 0.4 does not."""
    plain = trainer(configuration(qwen, "trainer.v1.trainer_mode=sync"))
    run(plain, 3)
    zero = trainer(ours(qwen, "entropy_advantage:alpha=0"))
    told = run(zero, 3)
    assert zero.actor_rollout_wg.losses == plain.actor_rollout_wg.losses
    assert any(plain.actor_rollout_wg.losses)
    assert all(torch.equal(a, b) for a, b in zip(weights(zero), weights(plain), strict=True))
    assert [row["forage/credit_moved"] for row in told] == [0.0] * 3

    shaped = trainer(ours(qwen, "entropy_advantage:alpha=0.4"))
    told = run(shaped, 3)
    assert isinstance(shaped, adapter.ForageTrainer)
    assert shaped.trainer_mode == "sync"
    assert all(row["forage/credit_moved"] > 0 for row in told)
    assert not all(torch.equal(a, b) for a, b in zip(weights(shaped), weights(plain), strict=True))


def test_a_method_that_replaces_the_estimator_and_reads_texts(queue: Any, qwen: Path) -> None:
    told = run(trainer(ours(qwen, "hicra:grams=phrases")), 1)
    assert told[0]["forage/credit_moved"] > 0


def test_the_configuration_with_bypass_mode_is_refused(qwen: Path) -> None:
    bypass = "algorithm.rollout_correction.bypass_mode=true"
    with pytest.raises(ForageError, match="bypass_mode"):
        trainer(ours(qwen, "entropy_advantage", bypass=bypass))
