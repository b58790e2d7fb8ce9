"""A world of seconds for verl: its own configuration, queue, step, estimator and loss; a tiny model on the CPU.

verl's rollout servers (vLLM, SGLang) and its engines (FSDP, Megatron) are for accelerators, so two things stand in: the
rollouts come from `model.generate`, written to verl's queue in its format, and one process computes log-probabilities
and updates the weights, with verl's loss.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transfer_queue as tq  # pyright: ignore[reportMissingImports]
from hydra import compose, initialize_config_module  # pyright: ignore[reportMissingImports]
from tensordict import NonTensorStack, TensorDict  # pyright: ignore[reportMissingImports]
from transformers import AutoModelForCausalLM, AutoTokenizer
from verl.trainer.ppo.v1.trainer_base import get_trainer_cls  # pyright: ignore[reportMissingImports]
from verl.utils import tensordict_utils  # pyright: ignore[reportMissingImports]
from verl.utils.config import omega_conf_to_dataclass  # pyright: ignore[reportMissingImports]
from verl.workers.utils.losses import ppo_loss  # pyright: ignore[reportMissingImports]
from verl.workers.utils.padding import response_from_nested  # pyright: ignore[reportMissingImports]

PROMPTS = ("What is 2 + 3?", "What is 4 + 9?", "What is 7 + 7?")
SIBLINGS, LONGEST = 4, 8


def configuration(model: Path, *overrides: str) -> Any:
    """verl's own defaults with what somebody types on its command line."""
    typed = (
        "trainer.use_v1=true",
        "algorithm.adv_estimator=grpo",
        f"actor_rollout_ref.rollout.n={SIBLINGS}",
        f"actor_rollout_ref.model.path={model}",
        f"data.train_batch_size={len(PROMPTS)}",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={len(PROMPTS)}",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1",
        *overrides,
    )
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=list(typed))


class Actor:
    """What verl's worker group does for a step, in one process: log-probabilities, and updates by verl's loss."""

    def __init__(self, config: Any) -> None:
        torch.manual_seed(0)
        self._config: Any = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        self._temperature = config.actor_rollout_ref.rollout.temperature
        self._dispatch_info = {"actor": [0]}
        self.model = AutoModelForCausalLM.from_pretrained(config.actor_rollout_ref.model.path).eval()
        self._optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.losses: list[float] = []

    def forward(self, ids: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Jagged log-probabilities and entropies: at each place those of the next token."""
        logprobs, entropies = [], []
        for row in ids:
            logs = (self.model(input_ids=row[None]).logits[0] / self._temperature).log_softmax(-1)
            logprobs.append(logs.gather(-1, row.roll(-1)[:, None])[:, 0])
            entropies.append(-(logs.exp() * logs).sum(-1))
        jagged = [torch.nested.as_nested_tensor(rows, layout=torch.jagged) for rows in (logprobs, entropies)]
        return jagged[0], jagged[1]

    def compute_log_prob(self, batch: Any) -> Any:
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["input_ids"])
        with torch.no_grad():
            logprobs, entropy = self.forward(data["input_ids"].unbind())
        fields = TensorDict({"log_probs": logprobs, "entropy": entropy}, batch_size=len(batch))
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)

    def update_actor(self, batch: Any) -> TensorDict:
        wanted = ["prompts", "responses", "input_ids", "response_mask", "old_log_probs", "advantages"]
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=wanted)
        tokens = int(data["response_mask"].values().sum())
        tensordict_utils.assign_non_tensor(data, dp_size=1, batch_num_tokens=tokens, global_batch_size=len(batch))
        logprobs, _ = self.forward(data["input_ids"].unbind())
        loss, _ = ppo_loss(self._config, {"log_probs": logprobs}, data)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.losses.append(float(loss))
        return tensordict_utils.get_tensordict({}, {"metrics": {"pg_loss": float(loss), "mfu": 0.0}})


class Rewards:
    """verl's reward workers have scored the responses when they reach the trainer."""

    reward_loop_worker_handles = ()


class Replicas:
    def sleep_replicas(self) -> None:
        """No rollout server holds weights here."""


def trainer(config: Any) -> Any:
    """The trainer that verl would choose, with its own configuration and replay buffer, before its workers start."""
    made = get_trainer_cls(config.trainer.v1.trainer_mode)(config)
    made.global_steps, made.curr_step_profile = 1, False
    made.tokenizer = AutoTokenizer.from_pretrained(config.actor_rollout_ref.model.path)
    made.actor_rollout_wg, made.reward_loop_manager, made.checkpoint_manager = Actor(config), Rewards(), Replicas()
    return made


def roll_out(made: Any) -> list[str]:
    """Writes SIBLINGS responses to every prompt into the queue, as verl's agent loop does; even sums are right.

    Returns their keys.
    """
    tokenizer, model, step = made.tokenizer, made.actor_rollout_wg.model, made.global_steps
    torch.manual_seed(step)
    fields: dict[str, list[Any]] = {name: [] for name in ("prompts", "responses", "input_ids", "response_mask", "uid")}
    rewards, keys, tags = [], [], []
    for number, text in enumerate(PROMPTS):
        uid, prompt = f"{step}x{number}", torch.tensor(tokenizer.encode(text))
        for session in range(SIBLINGS):
            found = model.generate(prompt[None], do_sample=True, max_new_tokens=LONGEST, pad_token_id=0)[0]
            response = found[len(prompt) :]
            reward = torch.zeros(len(response))
            reward[-1] = float(response.sum() % 2 == 0)
            rewards.append(reward)
            mask = torch.ones_like(response)
            for name, value in zip(fields, (prompt, response, found, mask, uid), strict=True):
                fields[name].append(value)
            keys.append(f"{uid}_{session}_0")
            versions = {"global_steps": step, "min_global_steps": step, "max_global_steps": step}
            tags.append({"status": "success", "seq_len": len(found), "prompt_len": len(prompt),
                         "response_len": len(response), **versions})  # fmt: skip
        tq.kv_batch_put(keys=[uid], partition_id="train",
                        tags=[{"is_prompt": True, "status": "finished", "global_steps": step}])  # fmt: skip
    uids = fields.pop("uid")
    jagged = {name: torch.nested.as_nested_tensor(rows, layout=torch.jagged) for name, rows in fields.items()}
    with torch.no_grad():
        seen, _ = made.actor_rollout_wg.forward(fields["input_ids"])
    jagged["rollout_log_probs"] = response_from_nested(seen, jagged["response_mask"])
    jagged["rm_scores"] = torch.nested.as_nested_tensor(rewards, layout=torch.jagged)
    both = TensorDict({**jagged, "uid": NonTensorStack(*uids)}, batch_size=len(keys))
    tq.kv_batch_put(keys=keys, partition_id="train", fields=both, tags=tags)
    return keys


def run(made: Any, steps: int) -> list[dict[str, Any]]:
    """verl's own `_step_once`, on rollouts of the weights as they are; the metrics of each step."""
    told = []
    for step in range(1, steps + 1):
        made.global_steps, metrics = step, {}
        keys = roll_out(made)
        try:
            made._step_once(metrics, {}, len(PROMPTS))
        finally:
            tq.kv_clear(keys=keys, partition_id="train")
        told.append(metrics)
    return told
