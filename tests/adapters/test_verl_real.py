"""The contract with verl 0.9 on its own data protocol and estimator, through Ray; run by `tests/optional/verl.py`."""

from typing import Any

import pytest
import torch

pytest.importorskip("verl")
pytest.importorskip("transfer_queue")

import transfer_queue as tq  # pyright: ignore[reportMissingImports]
from omegaconf import OmegaConf  # pyright: ignore[reportMissingImports]
from tensordict import NonTensorStack, TensorDict  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.core_algos import get_policy_loss_fn  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY, get_trainer_cls  # pyright: ignore[reportMissingImports]
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync  # pyright: ignore[reportMissingImports]

from forage.adapters import verl as adapter
from forage.adapters.settle import parsed
from forage.core.errors import ForageError
from forage.ops.entropy import entropy_bonus

LENGTHS = (3, 5, 2, 4)


def config(**changes: Any) -> Any:
    plain = {
        "forage": {"methods": ["entropy_advantage:alpha=0.4"]},
        "algorithm": {"adv_estimator": "grpo", "gamma": 1.0, "lam": 1.0, "use_kl_in_reward": False,
                      "norm_adv_by_std_in_grpo": True, "rollout_correction": None},
        "actor_rollout_ref": {"rollout": {"n": 2}, "actor": {"policy_loss": {"loss_mode": "vanilla"}}},
        "trainer": {"seed": 0, "v1": {"trainer_mode": "forage_sync", "sync": {}}},
    }  # fmt: skip
    return OmegaConf.merge(OmegaConf.create(plain), OmegaConf.create(changes))


def trainer(methods: list[str], chosen: Any | None = None) -> Any:
    """A trainer without its workers: everything that `_compute_advantage` reads is real."""
    made = object.__new__(adapter.ForageTrainer)
    made.config = chosen or config()
    made.forage_parts = parsed(methods)
    made.forage_batches, made.global_steps = 0, 1
    made.tokenizer = None
    return made


def jagged(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def put(partition: str, *, entropy: bool = True) -> tuple[Any, list[torch.Tensor]]:
    """Two groups of two responses, in an order that mixes the groups, as verl's balancing leaves them."""
    generator = torch.Generator().manual_seed(0)
    entropies = [torch.rand(size, generator=generator) * 2 for size in LENGTHS]
    rewards = [torch.zeros(size).index_fill_(0, torch.tensor(size - 1), value) for size, value in
               zip(LENGTHS, (1.0, 1.0, 0.0, 0.5), strict=True)]  # fmt: skip
    fields = {
        "prompts": jagged([torch.tensor([5, 6]) for _ in LENGTHS]),
        "responses": jagged([torch.arange(size) + 7 for size in LENGTHS]),
        "response_mask": jagged([torch.ones(size, dtype=torch.int64) for size in LENGTHS]),
        "rm_scores": jagged(rewards),
        "old_log_probs": jagged([-torch.rand(size, generator=generator) for size in LENGTHS]),
        "rollout_log_probs": jagged([-torch.rand(size, generator=generator) for size in LENGTHS]),
        "uid": NonTensorStack(*("a", "b", "a", "b")),
    }
    if entropy:
        fields["entropy"] = jagged(entropies)
    keys = ["a_0_0", "b_0_0", "a_1_0", "b_1_0"]
    meta = tq.kv_batch_put(keys=keys, partition_id=partition, fields=TensorDict(fields, batch_size=4))
    return meta, entropies


def advantages(meta: Any, name: str = "advantages") -> list[torch.Tensor]:
    data = tq.kv_batch_get(keys=meta.keys, partition_id=meta.partition_id, select_fields=[name])
    return list(data[name].unbind())


def test_the_plug_in_registered_the_trainer_and_nothing_else_changed() -> None:
    assert get_trainer_cls("forage_sync") is adapter.ForageTrainer
    assert get_trainer_cls("sync") is PPOTrainerSync
    adapter.check_driver()


def test_the_driver_check_fails_without_the_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TRAINER_REGISTRY, "forage_sync")
    with pytest.raises(ForageError, match="DEBUG"):
        adapter.check_driver()
    monkeypatch.setitem(TRAINER_REGISTRY, "forage_sync", PPOTrainerSync)
    with pytest.raises(ForageError, match="as ours"):
        adapter.check_driver()


@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_shaped_after_the_estimator(queue: Any, alpha: float) -> None:
    """verl's own advantages (Bessel's deviation, plus 1e-6), then the bonus; returns stay verl's."""
    meta, entropies = put(f"shaped-{alpha}")
    plain, metrics = trainer([f"entropy_advantage:alpha={alpha}"]), {}
    before = PPOTrainerSync._compute_advantage(plain, meta, {})
    base = advantages(before)
    assert base[0][0] == pytest.approx(0.5 / (0.5**0.5 + 1e-6), abs=1e-6)
    after = plain._compute_advantage(meta, metrics)
    for row, (old, new) in enumerate(zip(base, advantages(after), strict=True)):
        wanted = entropy_bonus(old, entropies[row], alpha=alpha, kappa=2.0)
        assert torch.equal(new, wanted.to(new.dtype))
        assert len(new) == LENGTHS[row]
    assert all(torch.equal(a, b) for a, b in zip(advantages(after, "returns"), base, strict=True))
    assert (metrics["forage/credit_moved"] > 0) == (alpha > 0)


def test_the_loss_of_verl_takes_the_shaped_advantages(queue: Any) -> None:
    """Its clipped surrogate under the token mean has the gradient of ours."""
    from forage.parts.losses.surrogate import PPOClip

    meta, _ = put("loss")
    made = trainer(["entropy_advantage:alpha=0.4"])
    made._compute_advantage(meta, {})
    wanted_fields = ["advantages", "old_log_probs", "response_mask"]
    found = tq.kv_batch_get(keys=meta.keys, partition_id=meta.partition_id, select_fields=wanted_fields)
    data = found.to_padded_tensor()
    logprob = (data["old_log_probs"] + 0.1 * torch.randn(data["old_log_probs"].shape)).requires_grad_()
    from verl.workers.config import FSDPActorConfig  # pyright: ignore[reportMissingImports]

    actor = FSDPActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1, clip_ratio=0.2)
    mask = data["response_mask"]
    loss, _ = get_policy_loss_fn("vanilla")(
        data["old_log_probs"], logprob, data["advantages"], mask, "token-mean", actor
    )
    (theirs,) = torch.autograd.grad(loss, logprob)
    ours, _ = PPOClip()(logprob, data["old_log_probs"], data["advantages"].float(), mask.bool())
    (wanted,) = torch.autograd.grad((ours * mask).sum() / mask.sum(), logprob)
    torch.testing.assert_close(theirs, wanted, rtol=0, atol=1e-6)
    assert wanted.abs().max() > 1e-2


def test_a_batch_without_entropy_is_refused(queue: Any) -> None:
    meta, _ = put("missing", entropy=False)
    with pytest.raises(ForageError, match="no entropy"):
        trainer(["entropy_advantage"])._compute_advantage(meta, {})


def test_refusals() -> None:
    adapter.refuse_settings(config())
    with pytest.raises(ForageError, match="bypass_mode"):
        adapter.ForageTrainer(config(algorithm={"rollout_correction": {"bypass_mode": True}}))
    with pytest.raises(ForageError, match="gspo"):
        adapter.refuse_settings(config(actor_rollout_ref={"actor": {"policy_loss": {"loss_mode": "gspo"}}}))
    with pytest.raises(ForageError, match="Which methods"):
        adapter.ForageTrainer(config(forage={"methods": []}))


def test_the_replay_buffer_is_the_synchronous_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ReplayBuffer, "__init__", lambda self, **named: seen.update(named))
    made = trainer(["entropy_advantage"])
    made.trainer_mode = "forage_sync"
    sampler = {"max_off_policy_threshold": 1, "max_off_policy_strategy": "drop", "sampler_kwargs": {}}
    extra = {"trainer": {"v1": {"sampler": sampler}}, "data": {"train_batch_size": 4}}
    made.config = OmegaConf.merge(config(), OmegaConf.create(extra))
    made._resolve_filter_groups_metric = lambda: None
    assert isinstance(made._build_replay_buffer(), ReplayBuffer)
    assert made.trainer_mode == seen["trainer_mode"] == "sync"


def test_methods_that_look_at_texts(queue: Any) -> None:
    meta, _ = put("planning")
    made = trainer(["hicra:grams=phrases"])
    letters = "abcdefghijklmnopqrstuvwxyz"

    class Tokenizer:
        def decode(self, ids: list[int], **_: Any) -> str:
            return "".join(letters[i % 26] for i in ids)

        def __len__(self) -> int:
            return 26

    made.tokenizer = Tokenizer()
    made._compute_advantage(meta, {})
    first = [row[0].item() for row in advantages(meta)]
    assert first == pytest.approx([0.5, 0.25, -0.5, -0.25])  # mean-centered, as HICRA prints it: no division
