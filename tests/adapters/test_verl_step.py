"""verl's own step on one node: its configuration, queue on Ray, buffer, estimator and loss, with a tiny model."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("verl")
pytest.importorskip("transfer_queue")

import transfer_queue as tq  # pyright: ignore[reportMissingImports]
from hydra import compose, initialize_config_dir  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync  # pyright: ignore[reportMissingImports]
from verl.utils.config import validate_config  # pyright: ignore[reportMissingImports]

from adapters.trl_world import write_qwen
from adapters.verl_world import configuration, roll_out, run, trainer
from forage.adapters import verl as adapter
from forage.core.errors import ForageError

RECIPES = Path(__file__).parents[2] / "docs" / "adapters" / "verl"


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


def test_a_patched_trainer_that_leaves_our_advantages_out_stops(
    queue: Any, qwen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(ours(qwen, "entropy_advantage"))
    monkeypatch.setattr(
        made, "_compute_advantage", lambda batch, metrics: PPOTrainerSync._compute_advantage(made, batch, metrics)
    )
    with pytest.raises(ForageError, match="without the advantages of this trainer"):
        run(made, 1)


def test_verl_finds_no_entropy_in_bypass_mode(queue: Any, qwen: Path) -> None:
    """Why it is refused: its own trainer writes none then, so there is nothing to shape by."""
    bypass = "algorithm.rollout_correction.bypass_mode=true"
    made = trainer(configuration(qwen, "trainer.v1.trainer_mode=sync", bypass))
    roll_out(made)
    batch, _ = made.replay_buffer.sample(global_steps=1, partition_id="train", batch_size=3)
    batch = made._compute_old_log_prob(batch, {})
    found = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id)
    assert "old_log_probs" in found.keys()  # noqa: SIM118  (a TensorDict)
    assert "entropy" not in found.keys()  # noqa: SIM118
    tq.kv_clear(keys=batch.keys, partition_id=batch.partition_id)


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_page_are_configurations_of_verl(recipe: Path, qwen: Path) -> None:
    with initialize_config_dir(str(RECIPES), version_base=None):
        config = compose(
            recipe.stem,
            overrides=[f"actor_rollout_ref.model.path={qwen}", "hydra.searchpath=[pkg://verl.trainer.config]"],
        )
    validate_config(config, use_reference_policy=False, use_critic=False)
    made = trainer(config)
    assert isinstance(made, adapter.ForageTrainer)
    assert made.forage_parts.shapes or made.forage_parts.baselines


def test_the_configuration_with_bypass_mode_is_refused(qwen: Path) -> None:
    bypass = "algorithm.rollout_correction.bypass_mode=true"
    with pytest.raises(ForageError, match="bypass_mode"):
        trainer(ours(qwen, "entropy_advantage", bypass=bypass))
