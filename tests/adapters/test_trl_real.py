"""The contract with TRL, on the real trainer: skipped where TRL is missing, run by `tests/optional/trl.py`."""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
trl = pytest.importorskip("trl")

from adapters.trl_world import MANY, PROMPTS, even, losses, trainer, weights, write_qwen  # noqa: E402  (only where TRL is)
from forage.adapters import trl as adapter  # noqa: E402  (only where TRL is)
from forage.adapters.parts import parts_of  # noqa: E402  (only where TRL is)
from forage.adapters.trl import shaped  # noqa: E402  (only where TRL is)
from forage.adapters.trl_restarts import restarts  # noqa: E402  (only where TRL is)
from forage.core.batch import Batch, Experience, TrainBatch  # noqa: E402  (only where TRL is)
from forage.core.errors import ForageError  # noqa: E402  (only where TRL is)
from forage.core.protocols import Forward, Reward  # noqa: E402  (only where TRL is)
from forage.core.records import Rollout, Score  # noqa: E402  (only where TRL is)
from forage.methods import METHODS  # noqa: E402  (only where TRL is)
from forage.parts.credit.assign.step_returns import StepReturns  # noqa: E402  (only where TRL is)
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut  # noqa: E402  (only where TRL is)
from forage.parts.credit.baseline.pass_at_k import PassAtK  # noqa: E402  (only where TRL is)
from forage.parts.credit.shape.entropy_bonus import EntropyBonus  # noqa: E402  (only where TRL is)
from forage.parts.credit.shape.planning_credit import PlanningCredit  # noqa: E402  (only where TRL is)
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus  # noqa: E402  (only where TRL is)
from forage.parts.losses.policy_loss import PolicyLoss  # noqa: E402  (only where TRL is)
from forage.parts.signals.planning import PlanningMask  # noqa: E402  (only where TRL is)
from forage.store.dataset_folder import write_dataset, write_stepwise  # noqa: E402  (only where TRL is)

GRPO = trl.GRPOTrainer


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_qwen(tmp_path_factory.mktemp("qwen"))


def run(kind: type, qwen: Path, out: Path, **settings: Any) -> Any:
    made = trainer(kind, qwen, out, **settings)
    made.train()
    return made


SETTINGS = [
    {},
    {"num_iterations": 2},
    {"loss_type": "grpo", "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
    {"beta": 0.1, "scale_rewards": "none"},
    {"loss_type": "cispo", "epsilon_high": 5.0},
]


@pytest.mark.parametrize("at", ["update", "sampling"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_alpha_zero_is_the_untouched_trainer_bit_for_bit(
    qwen: Path, tmp_path: Path, at: Any, settings: dict[str, Any]
) -> None:
    plain = run(GRPO, qwen, tmp_path / "a", **settings)
    ours = run(shaped(GRPO, shapes=[EntropyBonus(alpha=0, at=at)]), qwen, tmp_path / "b", **settings)
    assert losses(ours) == losses(plain)
    assert any(losses(plain))
    assert all(torch.equal(a, b) for a, b in zip(weights(ours), weights(plain), strict=True))
    changed = run(shaped(GRPO, shapes=[EntropyBonus(at=at)]), qwen, tmp_path / "c", **settings)
    assert not all(torch.equal(a, b) for a, b in zip(weights(changed), weights(plain), strict=True))


def caught(kind: type) -> tuple[type, list[dict[str, Any]]]:
    """The class with a list of (inputs, gradients after them, model before them) of every loss."""
    seen: list[dict[str, Any]] = []

    class Caught(kind):
        def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
            loss = super()._compute_loss(model, inputs)
            parameters = list(model.parameters())
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            seen.append({"inputs": {k: v.clone() for k, v in inputs.items()}, "gradients": gradients, "loss": loss})
            own = self.own_loss(model, inputs)
            seen[-1]["own"] = torch.autograd.grad(own, parameters, allow_unused=True)
            return loss

        def own_loss(self, model: Any, inputs: Any) -> torch.Tensor:
            """The loss of this package on the same rows, from plain logits."""
            ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
            attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
            width = inputs["completion_ids"].shape[1]
            logits = model(input_ids=ids, attention_mask=attention).logits[:, -width - 1 : -1] / self.args.temperature
            logs = logits.log_softmax(-1)
            logprob = logs.gather(-1, inputs["completion_ids"][..., None])[..., 0]
            entropy = -(logs.exp() * logs).sum(-1)
            loss_mask = inputs["completion_mask"].bool()
            if "tool_mask" in inputs:
                loss_mask = loss_mask & inputs["tool_mask"].bool()
            old = inputs.get("old_per_token_logps")
            advantage = inputs["advantages"]
            advantage = advantage if advantage.dim() == 2 else advantage[:, None].expand(loss_mask.shape)
            loss = PolicyLoss(shapes=self.forage_parts.credit.update_shapes)
            batch = rows_as_batch(loss_mask, logprob.detach() if old is None else old)
            signals = {
                k.removeprefix(adapter.SIGNAL): led(v) for k, v in inputs.items() if k.startswith(adapter.SIGNAL)
            }
            train = TrainBatch(Experience(batch, signals), led(advantage * loss_mask))
            return loss(Forward(led(logprob), led(entropy)), train, loss.weigh(batch))[0]

    return Caught, seen


def led(values: torch.Tensor) -> torch.Tensor:
    """With a first column that is never learned from."""
    return torch.cat([torch.zeros_like(values[:, :1]), values], 1)


def rows_as_batch(loss_mask: torch.Tensor, behaviour: torch.Tensor) -> Batch:
    rows = len(loss_mask)
    whole, zeros = led(loss_mask), torch.zeros(rows)
    return Batch(
        tokens=whole.long(),
        loss_mask=whole,
        origin=zeros.long(),
        behaviour=led(behaviour),
        entropy=torch.zeros(whole.shape),
        reward=zeros,
        group=zeros.long(),
        step=whole.long() - 1,
        step_reward=torch.zeros(whole.shape),
        version=zeros.long(),
        weight=zeros + 1,
    )


SHAPES = {
    "update": [EntropyBonus()],
    "sampling": [EntropyBonus(at="sampling")],
    "noise": [ShuffledEntropyBonus()],
    "planning": [PlanningCredit()],
    "both": [PlanningCredit(), EntropyBonus()],
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_gradient_is_that_of_our_own_loss(qwen: Path, tmp_path: Path, name: str) -> None:
    """TRL's default loss is the token mean of the clipped surrogate, so both are the same number."""
    kind, seen = caught(shaped(GRPO, shapes=SHAPES[name], signals=[PlanningMask(grams=("a", "is", "t"))]))
    settings: dict[str, Any] = {"num_iterations": 2, "temperature": 0.7, "beta": 0.0}
    run(kind, qwen, tmp_path, **settings)
    assert len(seen) == 4
    largest = 0.0
    for one in seen:
        for theirs, ours in zip(one["gradients"], one["own"], strict=True):
            if theirs is not None:
                largest = max(largest, float(theirs.abs().max()))
                torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)
    assert largest > 1e-3
    if name != "update":
        kept = [one["inputs"]["advantages"] for one in seen[:2]]
        assert torch.equal(*kept), "two passes over a batch read the same advantages"
        assert kept[0].dim() == (2)


def test_advantages_off_the_mask_change_nothing(qwen: Path, tmp_path: Path) -> None:
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    absent: list[int] = []

    class Probed(shaped(GRPO, shapes=[EntropyBonus(at="sampling"), EntropyBonus(alpha=0.1)])):
        def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
            loss = super()._compute_loss(model, inputs)
            off = ~inputs["completion_mask"].bool()
            absent.append(int(off.sum()))
            moved = {**inputs, "advantages": inputs["advantages"].masked_fill(off, 1e6)}
            found.append((loss.detach(), super()._compute_loss(model, moved).detach()))
            return loss

    run(Probed, qwen, tmp_path, max_completion_length=24)
    assert sum(absent) > 0
    assert all(torch.equal(a, b) for a, b in found)


def test_every_token_is_pushed_by_its_own_advantage(qwen: Path, tmp_path: Path) -> None:
    """At the first pass over a batch the ratio is 1, so the gradient of a log-probability is -A / N: no row reads the
    advantages of another one, as a broadcast to (B, B, T) would."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Kept(shaped(GRPO, shapes=[EntropyBonus(at="sampling")])):
        def _get_per_token_logps_and_entropies(self, *positional: Any, **named: Any) -> Any:
            found = super()._get_per_token_logps_and_entropies(*positional, **named)
            self.logps = found[0]
            return found

        def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
            loss = super()._compute_loss(model, inputs)
            (gradient,) = torch.autograd.grad(loss, self.logps, retain_graph=True)
            mask = inputs["completion_mask"]
            seen.append((gradient, -inputs["advantages"] * mask / inputs["num_items_in_batch"]))
            return loss

    run(Kept, qwen, tmp_path, beta=0.0)
    for gradient, wanted in seen:
        assert gradient.shape == wanted.shape
        torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-8)
    assert any(wanted.any() for _, wanted in seen)


def test_advantages_per_token_stay_with_their_rows() -> None:
    """TRL shuffles and splits a batch by rows, whatever the width of an item."""
    utils = importlib.import_module("trl.trainer.utils")
    ids = torch.arange(24).view(8, 3)
    rows = {"completion_ids": ids, "advantages": ids * 10.0, adapter.JUDGED: ids[:, 0] % 2 == 0}
    shuffled = utils.shuffle_sequence_dict(rows)
    for part in utils.split_tensor_dict(shuffled, 4):
        assert part["advantages"].shape == (2, 3)
        assert torch.equal(part["advantages"], part["completion_ids"] * 10.0)
        assert torch.equal(part[adapter.JUDGED], part["completion_ids"][:, 0] % 2 == 0)


def test_the_entropy_is_that_of_the_scaled_distribution(qwen: Path, tmp_path: Path) -> None:
    made = trainer(shaped(GRPO, shapes=[EntropyBonus()]), qwen, tmp_path, temperature=0.5)
    ids = torch.tensor([[5, 9, 30, 44, 17]])
    _, entropy, _ = made._get_per_token_logps_and_entropies(made.model, ids, ids * 0 + 1, 3, compute_entropy=True)
    logs = (made.model(input_ids=ids).logits[:, 1:4] / 0.5).log_softmax(-1)
    torch.testing.assert_close(entropy, -(logs.exp() * logs).sum(-1), rtol=0, atol=2e-6)


@dataclass(frozen=True, kw_only=True)
class Rarest(Reward):
    """Adds 1 to the right responses of a mode that one sibling alone took."""

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        modes = [score.mode for score in scores]
        return tuple(
            replace(score, value=score.value + (score.mode is not None and modes.count(score.mode) == 1))
            for score in scores
        )


def test_reward_parts_see_whole_groups_before_the_mean_is_taken(qwen: Path, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def mode(row: Any, text: str) -> str:
        asked.append((row["prompt"], text))
        return str(len(text) % 2)

    kind = shaped(GRPO, rewards=[Rarest()], mode=mode)
    caught_rows: list[dict[str, Any]] = []

    class Kept(kind):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            out = super()._generate_and_score_completions(inputs)
            values = torch.tensor([s.value for g in self._groups for s in g.scores]).view(-1, 4)
            caught_rows.append({"out": out, "groups": self._groups, "values": values})
            return out

    made = run(Kept, qwen, tmp_path, scale_rewards="none", log_completions=True)
    for one in caught_rows:
        values = one["values"]
        torch.testing.assert_close(one["out"]["advantages"], (values - values.mean(1, keepdim=True)).flatten())
        for group in one["groups"]:
            modes = [score.mode for score in group.scores]
            for score, plain in zip(group.scores, modes, strict=True):
                assert score.value == score.parts["correct"] + (plain is not None and modes.count(plain) == 1)
            assert all((score.mode is None) == (not score.parts["correct"]) for score in group.scores)
    assert {prompt for prompt, _ in asked} == set(PROMPTS)
    assert any("rewards/forage_added/mean" in row for row in made.state.log_history)


@pytest.mark.parametrize("baseline", [PassAtK(k=2), LeaveOneOut()], ids=repr)
def test_a_baseline_takes_the_place_of_the_estimator(qwen: Path, tmp_path: Path, baseline: Any) -> None:
    seen = []

    class Kept(shaped(GRPO, baseline=[baseline])):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            out = super()._generate_and_score_completions(inputs)
            seen.append((out, self._value))
            return out

    run(Kept, qwen, tmp_path)
    for out, value in seen:
        wanted = baseline(value.double(), torch.arange(8) // 4).float()
        torch.testing.assert_close(out["advantages"], wanted[:, None] * out["completion_mask"])
    assert any(out["advantages"].any() for out, _ in seen)


def test_what_was_not_judged_gets_no_credit_and_takes_no_part(qwen: Path, tmp_path: Path) -> None:
    def some(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
        return [None if n % 4 == 1 else float(sum(ids) % 3) for n, ids in enumerate(completion_ids)]

    seen = []

    class Kept(shaped(GRPO, shapes=[EntropyBonus()], baseline=[LeaveOneOut()])):
        def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
            seen.append(inputs)
            return super()._compute_loss(model, inputs)

    run(Kept, qwen, tmp_path, reward_funcs=some)
    for inputs in seen:
        assert (~inputs[adapter.JUDGED]).sum() == 2
        assert not inputs["advantages"][~inputs[adapter.JUDGED]].any()


def test_group_statistics_of_the_engine(qwen: Path, tmp_path: Path) -> None:
    """Bessel's deviation plus 1e-4: one right of four is 0.75 / (0.5 + 1e-4)."""

    def first(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(n % 4 == 0) for n in range(len(completion_ids))]

    made = trainer(GRPO, qwen, tmp_path, reward_funcs=first, log_completions=True)
    made.train()
    assert made._logs["advantages"][0] == pytest.approx(0.75 / 0.5001, abs=1e-6)


@dataclass(frozen=True, kw_only=True)
class Dense(Reward):
    """A process reward without a model: step l of a response earns l + 1."""

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        steps = [tuple(float(n + 1) for n in range(len(rollout.step_ends))) for rollout in rollouts]
        return tuple(replace(score, steps=own) for score, own in zip(scores, steps, strict=True))


def test_process_rewards_are_assigned_to_their_steps(qwen: Path, tmp_path: Path) -> None:
    def pairs(pieces: Sequence[str]) -> tuple[int, ...]:
        return (*range(2, len(pieces), 2), len(pieces))

    seen = []

    class Kept(shaped(GRPO, rewards=[Dense()], assign=StepReturns(), baseline=[LeaveOneOut()], step_ends=pairs)):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            out = super()._generate_and_score_completions(inputs)
            seen.append((out, LeaveOneOut()(self._value.double(), torch.arange(8) // 4).float()))
            return out

    run(Kept, qwen, tmp_path)
    for out, value in seen:
        step = torch.arange(out["completion_mask"].shape[1]) // 2 + 1.0
        torch.testing.assert_close(out["advantages"], (value[:, None] + step) * out["completion_mask"])


def test_restarts_share_a_prefix_that_is_never_learned(qwen: Path, tmp_path: Path) -> None:
    prefix = (40, 41, 42)
    kind, seen = caught(shaped(GRPO, shapes=[EntropyBonus()], baseline=[LeaveOneOut()]))
    rewarded: list[list[int]] = []

    def memory_metrics(completion_ids: list[list[int]], **named: Any) -> list[float]:
        rewarded.extend(completion_ids)
        return even(completion_ids)

    def choose(prompt: str, step: int) -> tuple[int, ...]:
        return prefix if prompt == PROMPTS[0] else ()

    prompts: list[str] = []
    starts: list[tuple[int, ...]] = []

    class Watched(kind):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            out = super()._generate_and_score_completions(inputs)
            prompts.extend(row["prompt"] for row in inputs[:: self.num_generations])
            starts.extend(group.start.prefix for group in self._groups)
            return out

    made = run(Watched, qwen, tmp_path, rollout_func=restarts(choose), reward_funcs=memory_metrics)
    started = [ids for ids in rewarded if tuple(ids[:3]) == prefix]
    assert len(started) >= 4
    assert set(starts) == {prefix, ()}
    assert all(group == prefix for prompt, group in zip(prompts, starts, strict=True) if prompt == PROMPTS[0])
    assert made.state.global_step == 4
    for one in seen:
        inputs = one["inputs"]
        own = inputs["completion_mask"] * inputs["tool_mask"]
        assert inputs["num_items_in_batch"] == own.sum()
        assert not inputs["advantages"][own == 0].any()
        for theirs, ours in zip(one["gradients"], one["own"], strict=True):
            if theirs is not None:
                torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_siblings_of_different_starts_are_refused(qwen: Path, tmp_path: Path) -> None:
    def mixed(prompts: list[str], trainer: Any) -> dict[str, Any]:
        found = restarts(lambda prompt, step: ())(prompts, trainer)
        found["completion_ids"][0][:0] = [40]
        found["env_mask"][0][:0] = [0]
        return found

    made = trainer(shaped(GRPO, baseline=[LeaveOneOut()]), qwen, tmp_path, rollout_func=mixed)
    with pytest.raises(ForageError, match="mixes starts"):
        made.train()


def test_methods_of_the_catalogue(qwen: Path, tmp_path: Path) -> None:
    """HICRA drops the division by the deviation, so without a phrase in the texts its credit is reward minus mean."""
    parts = parts_of(METHODS["hicra"](grams="phrases"))
    assert [type(part).__name__ for part in parts.baselines or ()] == ["MeanCentre"]
    seen = []

    class Kept(shaped(GRPO, parts=parts)):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            out = super()._generate_and_score_completions(inputs)
            seen.append((out, self._value))
            return out

    run(Kept, qwen, tmp_path)
    for out, value in seen:
        wanted = value - value.view(-1, 4).mean(1).repeat_interleave(4)
        torch.testing.assert_close(out["advantages"], wanted[:, None] * out["completion_mask"])
    assert any(out["advantages"].any() for out, _ in seen)


RESUMED = {"max_steps": 8, "steps_per_generation": 2, "save_strategy": "steps", "logging_steps": 1}


def test_a_checkpoint_between_generations_resumes_exactly(qwen: Path, tmp_path: Path) -> None:
    """Within TRL's first pass over the data: it draws the order of later ones anew when it resumes."""
    kind = shaped(GRPO, shapes=[EntropyBonus()])
    whole = run(kind, qwen, tmp_path, save_steps=4, prompts=MANY, **RESUMED)
    again = trainer(kind, qwen, tmp_path, save_steps=4, prompts=MANY, **RESUMED)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert losses(again)[-4:] == losses(whole)[-4:]


def test_a_checkpoint_inside_a_generation_batch_is_refused(qwen: Path, tmp_path: Path) -> None:
    kind = shaped(GRPO, shapes=[EntropyBonus()])
    with pytest.raises(ForageError, match="multiple of 2"):
        trainer(kind, qwen, tmp_path, save_steps=3, **RESUMED)
    run(GRPO, qwen, tmp_path, save_steps=3, **RESUMED)
    made = trainer(kind, qwen, tmp_path, save_steps=4, **RESUMED)
    with pytest.raises(ForageError, match="inside a generation batch"):
        made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))


REFUSED = [
    ({"loss_type": "vespo"}, "VESPO"),
    ({"off_policy_mask_threshold": 0.5}, "off-policy"),
    ({"importance_sampling_level": "sequence"}, "one ratio"),
    ({"use_liger_kernel": True}, "Liger"),
]


@pytest.mark.parametrize(("settings", "says"), REFUSED, ids=str)
def test_settings_that_change_their_meaning_are_refused(
    qwen: Path, tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ForageError, match=says):
        trainer(shaped(GRPO, shapes=[EntropyBonus()]), qwen, tmp_path, **settings)


def test_other_refusals(qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForageError, match="at least 9"):
        trainer(shaped(GRPO, baseline=[PassAtK(k=8)]), qwen, tmp_path)
    with pytest.raises(ForageError, match="verdict="):
        trainer(shaped(GRPO, rewards=[Rarest()]), qwen, tmp_path, reward_funcs=[even, len])
    with pytest.raises(ForageError, match="signal 'planning'"):
        shaped(GRPO, shapes=[PlanningCredit()])
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.17.0")
    with pytest.raises(ForageError, match=r">= 1\.16, < 1\.17"):
        shaped(GRPO, shapes=[EntropyBonus()])


def test_what_export_writes_trains_in_trl(qwen: Path, tmp_path: Path) -> None:
    """`datasets` reads the folders, and TRL's trainers for fine-tuning and preferences take a step on them."""
    datasets = importlib.import_module("datasets")
    rows = [
        {"step": 1, "group": n // 2, "prompt": PROMPTS[n // 2], "text": f" {n}", "correct": float(n % 2)}
        for n in range(8)
    ]
    write_dataset(rows, "sft", tmp_path / "sft")
    write_dataset(rows, "preference", tmp_path / "pairs")
    write_stepwise([{"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}], tmp_path / "steps")
    read = {name: datasets.load_dataset(str(tmp_path / name), split="train") for name in ("sft", "pairs", "steps")}
    assert read["steps"][0] == {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}
    common = {"max_steps": 1, "report_to": [], "use_cpu": True, "bf16": False, "save_strategy": "no"}
    for name, kind in (("sft", "SFT"), ("pairs", "DPO")):
        config = getattr(trl, f"{kind}Config")(output_dir=str(tmp_path / "out"), **common)
        made = getattr(trl, f"{kind}Trainer")(model=str(qwen), args=config, train_dataset=read[name])
        made.train()
        assert made.state.global_step == 1
