"""verl 0.9: a synchronous V1 trainer whose advantages are shaped after verl's own estimator.

Importing this module registers the trainer; verl does so by itself through the entry point `verl.plugins`. Chosen by

    trainer.use_v1=true trainer.v1.trainer_mode=forage_sync '+forage.methods=["entropy_advantage:alpha=0.4"]'

verl logs a plug-in that fails at DEBUG only, so `check_driver` asks whether it is there; a name that is not registered
is an error of verl's own, never the plain trainer.
"""

from typing import Any, cast

import transfer_queue as tq  # pyright: ignore[reportMissingImports]
from tensordict import TensorDict  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY, register_trainer  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync  # pyright: ignore[reportMissingImports]
from verl.workers.utils.padding import response_to_nested  # pyright: ignore[reportMissingImports]

from forage.adapters.rows import ExternalRow
from forage.adapters.settle import parsed, settled
from forage.adapters.verl_rules import CALLED, FIELDS, refuse_settings
from forage.adapters.window import require_methods, require_version
from forage.core.errors import ForageError
from forage.core.records import Score
from forage.core.seeds import derive_seed
from forage.engines.local.codec import LocalCodec

LEAST, BELOW = (0, 9), (0, 10)
NAME = "forage_sync"
VERSION = require_version("verl", LEAST, BELOW)
require_methods(PPOTrainerSync, CALLED)


@register_trainer(NAME)
class ForageTrainer(PPOTrainerSync):
    """verl's synchronous trainer; `_compute_advantage` shapes what the estimator wrote. `returns` stay as they are."""

    def __init__(self, config: Any) -> None:
        self.forage_parts = parsed(config.get("forage", {}).get("methods", ()))
        refuse_settings(config)
        self.forage_batches = 0
        super().__init__(config)

    def _build_replay_buffer(self) -> Any:
        # verl asks for the mode "sync" by name in many places; under another name it would build the async buffer.
        self.trainer_mode = "sync"
        self.parameter_sync_step = self.config.trainer.v1.get("sync", {}).get("parameter_sync_step", 1)
        return super()._build_replay_buffer()

    def _step_once(self, metrics: dict[str, Any], timing_raw: dict[str, Any], sample_batch_size: int) -> Any:
        seen = self.forage_batches
        batch = super()._step_once(metrics, timing_raw, sample_batch_size)
        if self.forage_batches == seen:
            raise ForageError(
                "verl made a step without the advantages of this trainer: a subclass or a patch took the place of "
                "_compute_advantage. Nothing was shaped, so training stops here."
            )
        return batch

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        self.forage_batches += 1
        batch = super()._compute_advantage(batch, metrics)
        return shape_batch(self, batch, metrics)


def shape_batch(trainer: Any, batch: Any, metrics: dict[str, Any]) -> Any:
    """Reads the advantages that verl wrote, shapes them, and writes them back under the same keys."""
    parts = trainer.forage_parts
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=list(FIELDS))
    if "entropy" not in data.keys():  # noqa: SIM118  (a TensorDict)
        raise ForageError(
            "verl has no entropy for this batch: the pass over the sampled tokens was left out (bypass_mode) or failed."
        )
    nested = data["response_mask"]
    padded = {name: data[name].to_padded_tensor(0) for name in ("advantages", "entropy", "response_mask", "rm_scores")}
    uids = [str(uid) for uid in data.pop("uid").tolist()]
    order = sorted(range(len(uids)), key=lambda row: uids.index(uids[row]))
    sizes = [uids.count(uid) for uid in dict.fromkeys(uids)]
    reward = padded["rm_scores"].sum(dim=1)
    rows = [
        ExternalRow(
            prompt=tuple(data["prompts"][row].tolist()),
            completion=tuple(data["responses"][row].tolist()),
            score=Score(float(reward[row])),
        )
        for row in order
    ]
    base, learned = padded["advantages"][order], padded["response_mask"][order].bool()
    seed = derive_seed(int(trainer.config.trainer.get("seed", 0) or 0), "verl", int(trainer.global_steps))
    codec = LocalCodec(trainer.tokenizer) if getattr(trainer, "tokenizer", None) is not None else None
    entropy = padded["entropy"][order]
    new = settled(
        parts, base, learned, reward=reward[order], entropy=entropy, rows=rows, sizes=sizes, codec=codec, seed=seed
    )
    metrics["forage/credit_moved"] = float((new - base).abs().sum() / base.abs().sum().clamp_min(1e-12))
    back = new.new_empty(new.shape)
    back[order] = new
    fields = TensorDict({"advantages": response_to_nested(back, nested)}, batch_size=len(batch))
    return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)


def check_driver() -> None:
    """Raises ForageError unless verl would find this trainer under its name. Call it in the driver before training."""
    registered = cast("dict[str, type]", TRAINER_REGISTRY).get(NAME)
    if registered is not ForageTrainer:
        raise ForageError(
            f"verl does not know the trainer {NAME!r}"
            + (f" as ours but as {registered.__name__}" if registered else "")
            + ". "
            "Was VERL_USE_EXTERNAL_PLUGINS set to none, or did the plug-in fail? verl says so at the log level DEBUG."
        )
