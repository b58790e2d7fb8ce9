"""The verl adapter without verl: stand-ins with verl's recorded signatures, and a queue in a dictionary."""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from forage.adapters.settle import parsed
from forage.adapters.verl_rules import CALLED, FIELDS, ONE_RATIO, refuse_settings
from forage.adapters.window import require_methods
from forage.core.errors import ForageError
from forage.ops.entropy import entropy_bonus

CONTRACT = json.loads((Path(__file__).parent / "contracts" / "verl.json").read_text())
LENGTHS = (3, 2, 4, 1)


def test_the_recorded_verl_is_the_one_the_adapter_knows() -> None:
    assert CONTRACT["version"].startswith("0.9.")
    assert {name: tuple(names) for name, names in CONTRACT["methods"].items()} == CALLED
    assert CONTRACT["functions"]["kv_batch_get"] == ["keys", "partition_id", "select_fields"]
    assert CONTRACT["functions"]["kv_batch_put"][:4] == ["keys", "partition_id", "fields", "tags"]
    assert CONTRACT["functions"]["register_trainer"] == ["name"]
    assert CONTRACT["functions"]["response_to_nested"] == ["tensor", "response_mask"]
    assert CONTRACT["functions"]["policy_loss"][:4] == ["old_log_prob", "log_prob", "advantages", "response_mask"]


def test_the_entropy_is_there_when_advantages_are_computed_unless_in_bypass_mode() -> None:
    step = CONTRACT["step"]
    assert step.index("_compute_old_log_prob") < step.index("_compute_advantage") < step.index("_update_actor")
    assert CONTRACT["entropy_is_written"]
    assert CONTRACT["bypass_returns_first"]


class Nested:
    """Jagged rows as verl's fields are: padded on request, and cut again by the mask."""

    def __init__(self, rows: list[Tensor]) -> None:
        self.rows = rows

    def to_padded_tensor(self, value: float) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(self.rows, batch_first=True, padding_value=value)

    def __getitem__(self, row: int) -> Tensor:
        return self.rows[row]


class Queue:
    """`kv_batch_get` and `kv_batch_put` with verl's parameters, on one dictionary."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def kv_batch_get(self, keys: Any, partition_id: str, select_fields: list[str]) -> dict[str, Any]:
        return {name: self.fields[name] for name in select_fields if name in self.fields}

    def kv_batch_put(self, keys: Any, partition_id: str, fields: dict[str, Any], tags: Any = None) -> str:
        self.fields.update(fields)
        return "written"


class Plain:
    """verl's trainer: its estimator has written GRPO's advantages when `_compute_advantage` returns."""

    def __init__(self, config: Any) -> None:
        self.config, self.global_steps, self.tokenizer = config, 1, None

    def _build_replay_buffer(self) -> str:
        return self.trainer_mode  # pyright: ignore[reportAttributeAccessIssue]

    def _compute_advantage(self, batch: Any, metrics: Any) -> Any:
        return batch

    def _step_once(self, metrics: Any, timing_raw: Any, sample_batch_size: int) -> Any:
        return self._compute_advantage(timing_raw, metrics)


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The adapter, imported where stand-ins take verl's place."""
    registry: dict[str, type] = {}

    def module(name: str, **members: Any) -> None:
        made = ModuleType(name)
        vars(made).update(members)
        monkeypatch.setitem(sys.modules, name, made)

    def response_to_nested(tensor: Tensor, response_mask: Nested) -> Nested:
        return Nested([row[: len(mask)] for row, mask in zip(tensor, response_mask.rows, strict=True)])

    def register_trainer(name: str) -> Any:
        return lambda kind: registry.setdefault(name, kind)

    for name in (
        "verl",
        "verl.trainer",
        "verl.trainer.ppo",
        "verl.trainer.ppo.v1",
        "verl.workers",
        "verl.workers.utils",
    ):
        module(name)
    module("verl.trainer.ppo.v1.trainer_base", TRAINER_REGISTRY=registry, register_trainer=register_trainer)
    module("verl.trainer.ppo.v1.trainer_sync", PPOTrainerSync=Plain)
    module("verl.workers.utils.padding", response_to_nested=response_to_nested)
    module("tensordict", TensorDict=lambda fields, batch_size: fields)
    module("transfer_queue")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.9.1")
    monkeypatch.delitem(sys.modules, "forage.adapters.verl", raising=False)
    yield importlib.import_module("forage.adapters.verl")
    sys.modules.pop("forage.adapters.verl", None)


def config(**changes: Any) -> Any:
    class Settings(dict[str, Any]):
        __getattr__ = dict.__getitem__

    sync = Settings(v1=Settings(sync=Settings()))
    actor = Settings(actor=Settings(policy_loss=Settings(loss_mode=changes.get("loss", "vanilla"))))
    correction = Settings(bypass_mode=changes.get("bypass", False))
    methods = changes.get("methods", ["entropy_advantage:alpha=0.4"])
    return Settings(
        trainer=sync,
        actor_rollout_ref=actor,
        algorithm=Settings(rollout_correction=correction),
        forage=Settings(methods=methods),
    )


def queue(*, entropy: bool = True) -> Queue:
    """Two groups of two whose rows are mixed, as verl's balancing leaves them."""
    generator = torch.Generator().manual_seed(0)
    fields: dict[str, Any] = {
        "advantages": Nested(
            [torch.full((size,), value) for size, value in zip(LENGTHS, (1.0, -1.0, -1.0, 1.0), strict=True)]
        ),
        "response_mask": Nested([torch.ones(size, dtype=torch.int64) for size in LENGTHS]),
        "responses": Nested([torch.arange(size) for size in LENGTHS]),
        "prompts": Nested([torch.tensor([7])] * 4),
        "rm_scores": Nested([torch.ones(size) for size in LENGTHS]),
        "uid": SimpleNamespace(tolist=lambda: ["a", "b", "a", "b"]),
    }
    if entropy:
        fields["entropy"] = Nested([torch.rand(size, generator=generator) * 2 for size in LENGTHS])
    return Queue(fields)


def batch() -> Any:
    return type("Batch", (), {"keys": list("abcd"), "partition_id": "train", "__len__": lambda self: 4})()


@pytest.mark.filterwarnings("ignore:.*does not see")
def test_each_row_is_shaped_by_its_own_entropy_and_keeps_its_length(
    adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = queue()
    monkeypatch.setattr(adapter, "tq", held)
    before, metrics = list(held.fields["advantages"].rows), {}
    assert adapter.ForageTrainer(config())._step_once(metrics, batch(), 4) == "written"
    for old, new, entropy in zip(before, held.fields["advantages"].rows, held.fields["entropy"].rows, strict=True):
        assert torch.equal(new, entropy_bonus(old, entropy, alpha=0.4, kappa=2.0))
    assert metrics["forage/credit_moved"] > 0
    assert set(FIELDS) == set(held.fields)


@pytest.mark.filterwarnings("ignore:.*does not see")
def test_what_verl_did_not_do_stops_training(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = adapter.ForageTrainer(config())
    monkeypatch.setattr(adapter, "tq", queue(entropy=False))
    with pytest.raises(ForageError, match="no entropy"):
        made._step_once({}, batch(), 4)
    monkeypatch.setattr(made, "_compute_advantage", lambda batch, metrics: batch)
    with pytest.raises(ForageError, match="without the advantages of this trainer"):
        made._step_once({}, batch(), 4)


@pytest.mark.filterwarnings("ignore:.*does not see")
def test_the_buffer_is_that_of_the_synchronous_mode(adapter: Any) -> None:
    made = adapter.ForageTrainer(config())
    made.trainer_mode = "forage_sync"
    assert made._build_replay_buffer() == "sync"


def test_the_driver_check(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter.check_driver()
    monkeypatch.setitem(adapter.TRAINER_REGISTRY, "forage_sync", Plain)
    with pytest.raises(ForageError, match="as ours but as Plain"):
        adapter.check_driver()
    monkeypatch.delitem(adapter.TRAINER_REGISTRY, "forage_sync")
    with pytest.raises(ForageError, match="DEBUG"):
        adapter.check_driver()


@pytest.mark.filterwarnings("ignore:.*does not see")
def test_settings_that_are_refused(adapter: Any) -> None:
    refuse_settings(config())
    with pytest.raises(ForageError, match="bypass_mode"):
        adapter.ForageTrainer(config(bypass=True))
    with pytest.raises(ForageError, match="Which methods"):
        adapter.ForageTrainer(config(methods=[]))
    for loss in ONE_RATIO:
        with pytest.raises(ForageError, match=loss):
            refuse_settings(config(loss=loss))
    with pytest.raises(ForageError, match="change the reward"):
        parsed(["mode_diversity:key=text"])


@pytest.mark.parametrize("name", CALLED)
def test_a_trainer_that_changed_is_refused(name: str) -> None:
    def other(something_else: Any) -> None: ...

    changed = type("Changed", (Plain,), {name: other})
    require_methods(Plain, CALLED)
    with pytest.raises(ForageError, match=name):
        require_methods(changed, CALLED)
    assert list(inspect.signature(getattr(Plain, name)).parameters) == CONTRACT["methods"][name]
