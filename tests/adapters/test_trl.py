"""What the TRL adapter relies on, without TRL: recorded signatures, and a stand-in that reads as TRL's loss does."""

import inspect
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from forage.adapters import trl, trl_rules
from forage.adapters.parts import Parts, parts_of
from forage.adapters.trl import LateAdvantages, shaped
from forage.adapters.trl_rules import CALLED, SETTINGS, generation_interval, refuse_settings
from forage.adapters.window import require_methods, require_version
from forage.core.errors import ForageError
from forage.methods import METHODS
from forage.ops.entropy import entropy_bonus
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.planning_credit import PlanningCredit

CONTRACT = json.loads((Path(__file__).parent / "contracts" / "trl.json").read_text())


def stand_in(**changes: list[str]) -> type:
    """A class whose methods have TRL's recorded parameters."""

    def make(names: list[str]) -> Any:
        def method(*_: Any, **__: Any) -> None: ...

        kinds = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        method.__signature__ = inspect.Signature(kinds)  # pyright: ignore[reportFunctionMemberAccess]
        return method

    methods = {**CONTRACT["methods"], **changes}
    return type("GRPOTrainer", (), {name: make(names) for name, names in methods.items()})


def test_the_recorded_trainer_is_the_one_the_adapter_knows() -> None:
    require_methods(stand_in(), CALLED)
    assert CONTRACT["version"].startswith("1.16.")
    assert CONTRACT["reads_advantages"] == 1
    assert set(CONTRACT["settings"]) == set(SETTINGS)
    assert CONTRACT["methods"]["__init__"][:4] == ["self", "model", "reward_funcs", "args"]


@pytest.mark.parametrize("name", CALLED)
def test_a_trainer_that_changed_is_refused(name: str) -> None:
    with pytest.raises(ForageError, match=name):
        require_methods(stand_in(**{name: ["self", "something_else"]}), CALLED)


def settings(**changes: Any) -> SimpleNamespace:
    plain: dict[str, Any] = {
        "use_liger_kernel": False,
        "loss_type": "dapo",
        "off_policy_mask_threshold": None,
        "importance_sampling_level": "token",
        "multi_objective_aggregation": "sum_then_normalize",
        "num_generations": 8,
        "steps_per_generation": 4,
        "num_iterations": 1,
        "gradient_accumulation_steps": 1,
        "save_strategy": "no",
        "save_steps": 500,
        "reward_weights": None,
    }
    return SimpleNamespace(**{**plain, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"use_liger_kernel": True},
        {"loss_type": "vespo"},
        {"off_policy_mask_threshold": 0.1},
        {"importance_sampling_level": "sequence"},
        {"save_strategy": "steps", "save_steps": 6},
    ],
    ids=str,
)
def test_refusals(change: dict[str, Any]) -> None:
    parts = Parts(shapes=(EntropyBonus(),))
    refuse_settings(parts, settings())
    with pytest.raises(ForageError):
        refuse_settings(parts, settings(**change))


@pytest.mark.parametrize(
    ("generation", "iterations", "accumulation", "interval"), [(4, 1, 1, 4), (4, 1, 4, 1), (2, 2, 1, 4), (6, 1, 4, 3)]
)
def test_how_often_generation_and_saving_meet(
    generation: int, iterations: int, accumulation: int, interval: int
) -> None:
    """Worked by hand: the smallest number of steps whose micro-steps are a multiple of generation * iterations."""
    chosen = settings(
        steps_per_generation=generation, num_iterations=iterations, gradient_accumulation_steps=accumulation
    )
    assert generation_interval(chosen) == interval


class Reads:
    """`_compute_loss` as TRL orders it: the forward pass, then the advantages, once."""

    entropy = torch.tensor([[0.5, 3.0, 1.0], [0.1, 0.2, 9.0]])
    order = ("forward", "advantages")

    def __init__(self) -> None:
        self.model = SimpleNamespace(training=True)
        self.accelerator = SimpleNamespace(reduce=lambda values, reduction: values)
        self._metrics: Any = {"train": defaultdict(list)}

    def _get_per_token_logps_and_entropies(self, model: Any, input_ids: Any, *_: Any, **__: Any) -> Any:
        return self.entropy, self.entropy, None

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        for what in self.order:
            if what == "forward":
                self._get_per_token_logps_and_entropies(model, None, None, 3)
            else:
                self.read = inputs["advantages"]
        return self.read.sum()


def made(*order: str) -> Any:
    kind = type("Kind", (trl._Shaped, Reads), {"order": order, "forage_parts": Parts(shapes=(EntropyBonus(),))})
    one = object.__new__(kind)
    Reads.__init__(one)
    one._asks_entropy = False
    return one


def batch() -> dict[str, Tensor]:
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    return {
        "advantages": torch.tensor([1.0, -2.0]),
        "completion_mask": mask,
        trl.JUDGED: torch.tensor([True, True]),
    }


def test_the_loss_reads_a_shaped_copy() -> None:
    one, inputs = made("forward", "advantages"), batch()
    one._compute_loss(None, inputs)
    plain = inputs["advantages"][:, None].expand(2, 3)
    wanted = entropy_bonus(plain, Reads.entropy, alpha=0.4, kappa=2.0) * inputs["completion_mask"]
    assert torch.equal(one.read, wanted)
    assert torch.equal(inputs["advantages"], torch.tensor([1.0, -2.0]))
    assert one._metrics["train"]["forage/bonus_share"]


def test_another_order_of_reading_stops_training() -> None:
    with pytest.raises(ForageError, match="before its forward pass"):
        made("advantages", "forward")._compute_loss(None, batch())
    with pytest.raises(ForageError, match="2 times"):
        made("forward", "advantages", "advantages")._compute_loss(None, batch())


def test_rows_without_a_verdict_get_no_bonus() -> None:
    one, inputs = made("forward", "advantages"), batch()
    inputs[trl.JUDGED] = torch.tensor([True, False])
    one._compute_loss(None, inputs)
    assert not one.read[1].any()


def test_other_items_are_read_as_they_are() -> None:
    view = LateAdvantages({"a": 1, "advantages": torch.ones(1)}, lambda values: values + 1)
    assert view["a"] == 1
    assert view.get("b") is None
    assert "advantages" in view
    assert view["advantages"] == 2


def test_the_version_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, good in (("1.16.0", True), ("1.16.9", True), ("1.15.2", False), ("1.17.0", False), ("2.0.0", False)):
        monkeypatch.setattr("importlib.metadata.version", lambda name, found=found: found)
        if good:
            assert require_version("trl", trl.LEAST, trl.BELOW) == found
            assert issubclass(shaped(stand_in(), shapes=[EntropyBonus()]), trl._Shaped)
        else:
            with pytest.raises(ForageError, match=r"trl >= 1\.16, < 1\.17"):
                require_version("trl", trl.LEAST, trl.BELOW)
    monkeypatch.undo()
    with pytest.raises(ForageError, match="not installed"):
        require_version("no-such-package", (1, 0), (2, 0))


def test_parts_of_methods() -> None:
    assert parts_of(METHODS["entropy_advantage"](alpha=0.1)).shapes == (EntropyBonus(alpha=0.1),)
    assert parts_of(METHODS["entropy_advantage"]()).baselines is None
    hicra = parts_of(METHODS["hicra"](grams="phrases"))
    assert [type(part).__name__ for part in hicra.baselines or ()] == ["MeanCentre"]
    assert isinstance(hicra.shapes[0], PlanningCredit)
    with pytest.raises(ForageError, match="memory"):
        parts_of(METHODS["rrl"]())
    with pytest.raises(ForageError, match="policy loss"):
        parts_of(METHODS["cispo"]())


def test_the_rules_name_methods_that_trl_has() -> None:
    assert set(trl_rules.CALLED) <= set(CONTRACT["methods"])
