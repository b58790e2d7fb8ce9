"""The local engine: one Hugging Face model in this process, for sampling and for learning."""

import os
from dataclasses import dataclass, replace
from typing import Literal

import torch

from forage.engines.critic_training import CriticTraining
from forage.engines.local.codec import LocalCodec
from forage.engines.local.critic import ActorCritic, LocalCritic
from forage.engines.local.model import LocalModel
from forage.engines.local.numerics import choose_matmul
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.sampler import LocalSampler
from forage.engines.optimisation import Optimisation
from forage.errors import ForageError


@dataclass(frozen=True, slots=True)
class Opened:
    """A model ready for work. `reference` holds the weights that training began with, where a part needs them.

    Where there is a critic, `policy` is the pair of both.
    """

    policy: LocalPolicy | ActorCritic
    sampler: LocalSampler
    codec: LocalCodec
    reference: LocalPolicy | None
    critic: LocalCritic | None


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Where and in which numbers the model computes.

    `matmul` picks the float32 matrix product: "auto" measures at start-up and takes the fastest whose error is
    float32-class. `threads=0` takes all cores. Both decide bits, so a run records what it settled on. `rows` bounds
    the sequences that are sampled at once.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    matmul: Literal["auto", "highest", "medium"] = "auto"
    threads: int = 0
    rows: int = 256
    trust_remote_code: bool = False

    def settled(self) -> "LocalEngine":
        """This engine with what depends on the machine decided: recorded in `recipe.json`, so that resuming agrees."""
        threads = self.threads or len(os.sched_getaffinity(0))
        matmul = choose_matmul(device=self.device).chosen if self.matmul == "auto" else self.matmul
        return replace(self, threads=threads, matmul=matmul)

    def open(
        self,
        weights: str,
        *,
        reference: str | None = None,
        critic: CriticTraining | None = None,
        optimisation: Optimisation | None = None,
        temperature: float = 1.0,
    ) -> Opened:
        """Loads `weights` (a Hugging Face directory or name), and `reference` where given. Sets the thread count.

        A critic begins as a copy of `weights`; restoring a checkpoint's optimiser state gives it its own.
        """
        engine = self.settled()
        if engine.device != "cpu" and not torch.cuda.is_available():
            raise ForageError(f"The device {engine.device} is not available on this machine. Use --device cpu.")
        torch.set_num_threads(engine.threads)
        torch.set_float32_matmul_precision(engine.matmul)
        optimisation = optimisation or Optimisation()

        def load(path: str) -> LocalModel:
            return LocalModel.load(path, dtype=self.dtype, device=self.device, trust_remote_code=self.trust_remote_code)

        policy = LocalPolicy(load(weights), optimisation, temperature=temperature)
        judge = LocalCritic(load(weights), critic) if critic else None
        return Opened(
            policy=ActorCritic(policy, judge) if judge else policy,
            sampler=LocalSampler(policy.model, rows=self.rows, version=lambda: policy.version),
            codec=LocalCodec(policy.model.tokenizer),
            reference=LocalPolicy(load(reference), optimisation, temperature=temperature) if reference else None,
            critic=judge,
        )
