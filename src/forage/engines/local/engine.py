"""The local engine: one Hugging Face model in this process, for sampling and for learning."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch

from forage.core.errors import ForageError
from forage.core.protocols import Policy
from forage.engines.critic_training import CriticTraining
from forage.engines.distributed.process_group import Alone, ProcessGroup
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local.adapters import BelowAdapter, Lora, add_adapter, has_adapter, is_adapter
from forage.engines.local.cache import RowCache
from forage.engines.local.codec import LocalCodec
from forage.engines.local.critic import ActorCritic, LocalCritic
from forage.engines.local.decoding import DecodingPass, decoding_pass, graphed_pass
from forage.engines.local.hybrid_policy import BelowGates, HybridPolicy
from forage.engines.local.hybrid_sampler import HybridSampler
from forage.engines.local.latent_gates import open_gates
from forage.engines.local.memory import free_memory, measure_costs, pass_tokens, sampled_rows
from forage.engines.local.model import LocalModel
from forage.engines.local.numerics import choose_matmul
from forage.engines.local.placement import place
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.positions import positions_of
from forage.engines.local.sampler import LocalSampler
from forage.engines.local.soft_q import SoftActorCritic, SoftQCritic, WholePolicy, check_vocabulary
from forage.engines.local.stop_strings import EndTexts
from forage.engines.local.zeroth_order import PairedSampler, ZerothOrderPolicy
from forage.engines.optimization import Optimization
from forage.engines.soft_q_training import SoftQTraining


@dataclass(frozen=True, slots=True)
class Opened:
    """A model ready for work. `reference` holds the weights that training began with, where a part needs them.

    Where there is a critic, `policy` is the pair of both.
    """

    policy: LocalPolicy | ActorCritic | SoftActorCritic | ZerothOrderPolicy
    sampler: LocalSampler | PairedSampler | HybridSampler
    codec: LocalCodec
    reference: Policy | None
    critic: LocalCritic | None

    @property
    def thinks(self) -> bool:
        """Whether the policy thinks partly in embeddings, so that its module alone is another policy."""
        return isinstance(self.sampler, HybridSampler)

    @property
    def context(self) -> int | None:
        """How many positions the model has, for prompt and response together; None where it has no limit."""
        return positions_of(self.policy.model.config)


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Where and in which numbers the model computes.

    `matmul` picks the float32 matrix product: "auto" measures at start-up and takes the fastest whose error is
    float32-class. `threads=0` takes all cores. Both decide bits, so a run records what it settled on. `rows` bounds
    the sequences that are sampled at once; with None a run chooses it by the memory there is. `parallel` says where
    the weights lie while several processes learn: whole in each of them ("data") or in shards ("fsdp"); one process
    has no use for it. With `adapter` only that learns; `gradient_checkpointing` saves memory in updates and costs time.
    `cuda_graphs`: sampling on a GPU launches each pass as a whole (`decoding`).
    `share_starts`: responses to one prompt share its activations in an update, where the architecture can.
    `thinking` puts fresh gates beside a model that has none, so that it thinks partly in embeddings; of one that has
    gates it decides the marker and the learning rates.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    matmul: Literal["auto", "highest", "medium"] = "auto"
    threads: int = 0
    rows: int | None = 256
    trust_remote_code: bool = False
    parallel: Literal["data", "fsdp"] = "data"
    stops: tuple[str, ...] = ()
    adapter: Lora | None = None
    gradient_checkpointing: bool = False
    share_starts: bool = True
    cuda_graphs: bool = False
    thinking: HybridThinking | None = None

    @property
    def decoding(self) -> Callable[[LocalModel, RowCache], DecodingPass]:
        """What makes the sampler's pass over its rows: in graphs where they are asked for, and never on a CPU."""
        return graphed_pass if self.cuda_graphs and self.device != "cpu" else decoding_pass

    def settled(self) -> "LocalEngine":
        """This engine with what depends on the machine decided: recorded in `recipe.json`, so that resuming agrees.

        Raises ForageError where the machine has no such device.
        """
        self._require_device()
        threads = self.threads or len(os.sched_getaffinity(0))
        matmul = choose_matmul(device=self.device).chosen if self.matmul == "auto" else self.matmul
        return replace(self, threads=threads, matmul=matmul)

    def fitted(
        self, optimization: Optimization, weights: str, *, positions: int, copies: int = 0
    ) -> tuple["LocalEngine", Optimization]:
        """Both with `rows` and `micro_tokens` chosen, where they are None, by the memory there is now.

        Loads `weights` for a short measurement. Rows are expected to grow to `positions` tokens; `copies` counts other
        models of this size beside the policy.
        """
        if self.rows is not None and optimization.micro_tokens is not None:
            return self, optimization
        free = free_memory(self.device)
        costs = measure_costs(self._load(weights))
        free -= copies * costs.held
        tokens = optimization.micro_tokens or pass_tokens(costs, free, device=self.device)
        rows = self.rows or sampled_rows(costs, free, device=self.device, positions=positions)
        return replace(self, rows=rows), replace(optimization, micro_tokens=tokens)

    def open(
        self,
        weights: str,
        *,
        reference: str | None = None,
        critic: CriticTraining | SoftQTraining | None = None,
        optimization: Optimization | None = None,
        temperature: float = 1.0,
        ranks: ProcessGroup | None = None,
    ) -> Opened:
        """Loads `weights` (a Hugging Face directory or name), and `reference` where given. Sets the thread count.

        A critic begins as a copy of `weights`; restoring a checkpoint's optimizer state gives it its own. Processes
        that share a machine share its cores; a critic learns from all rows in each of them.
        """
        engine, ranks = self.settled(), ranks or Alone()
        cores = len(os.sched_getaffinity(0)) // ranks.local_world
        torch.set_num_threads(engine.threads if ranks.world == 1 else max(1, min(engine.threads, cores)))
        torch.set_float32_matmul_precision(engine.matmul)
        optimization = optimization or Optimization()
        kind = WholePolicy if isinstance(critic, SoftQTraining) else LocalPolicy

        def load(path: str, parallel: str = "data", fresh: HybridThinking | None = None) -> LocalPolicy:
            model = self._load(path)
            gates = open_gates(path, model, fresh)
            if gates is not None:
                if ranks.world > 1 or kind is not LocalPolicy or optimization.perturbation:
                    raise ForageError(
                        "A model that thinks partly in embeddings samples, and learns from advantages, in one process: "
                        "leave `torchrun`, etpo and zpg out."
                    )
                return HybridPolicy(model, gates, optimization, temperature=temperature, rows=self._at_once)
            placement = place(model, ranks, parallel=parallel)
            return kind(
                model, optimization, temperature=temperature, placement=placement, share_starts=self.share_starts
            )

        policy = load(weights, self.parallel, self.thinking)
        if optimization.perturbation:
            if ranks.world > 1:
                raise ForageError("zpg learns in one process: leave `torchrun` out.")
            learner = ZerothOrderPolicy(policy, optimization.perturbation, lr=optimization.lr)
            opened = self._opened(policy, learner, reference=None, critic=None)
            assert isinstance(opened.sampler, LocalSampler)
            return replace(opened, sampler=PairedSampler(opened.sampler, learner))
        if isinstance(critic, SoftQTraining):
            return self._with_soft_q(policy, load(reference or weights), weights, critic, ranks)
        local_critic = LocalCritic(self._load(weights), critic, ranks) if critic else None
        return self._opened(
            policy,
            ActorCritic(policy, local_critic) if local_critic else policy,
            reference=self._reference(reference, policy, load) if reference else None,
            critic=local_critic,
        )

    def _with_soft_q(
        self, policy: LocalPolicy, reference: LocalPolicy, weights: str, training: SoftQTraining, ranks: ProcessGroup
    ) -> Opened:
        """Raises ForageError where soft Q-learning is not served: with an adapter, and in several processes."""
        if self.adapter or ranks.world > 1:
            raise ForageError(
                "etpo trains all weights of a toy model in one process: leave the adapter and `torchrun` out."
            )
        check_vocabulary(policy.model)
        assert isinstance(policy, WholePolicy)
        assert isinstance(reference, WholePolicy)
        critic = SoftQCritic(self._load(weights), self._load(weights), training)
        return self._opened(policy, SoftActorCritic(policy, critic, reference), reference=reference, critic=None)

    def _opened(
        self,
        policy: LocalPolicy,
        learner: LocalPolicy | ActorCritic | SoftActorCritic | ZerothOrderPolicy,
        *,
        reference: Policy | None,
        critic: LocalCritic | None,
    ) -> Opened:
        codec = LocalCodec(policy.model.tokenizer)
        return Opened(
            policy=learner,
            sampler=self._sampler(policy, codec),
            codec=codec,
            reference=reference,
            critic=critic,
        )

    @property
    def _at_once(self) -> int:
        return 256 if self.rows is None else self.rows

    def _sampler(self, policy: LocalPolicy, codec: LocalCodec) -> LocalSampler | HybridSampler:
        ends = EndTexts(codec, self.stops) if self.stops else None
        if isinstance(policy, HybridPolicy):
            return HybridSampler(
                policy.model, policy.gates, rows=self._at_once, version=lambda: policy.version, ends=ends
            )
        return LocalSampler(
            policy.model, rows=self._at_once, version=lambda: policy.version, ends=ends, decoding=self.decoding
        )

    def _require_device(self) -> None:
        try:
            asked = torch.device(self.device)
        except RuntimeError as error:
            raise ForageError(f"There is no device {self.device!r}. The `device` is cpu or cuda.") from error
        if asked.type != "cpu" and not torch.cuda.is_available():
            raise ForageError(f"The device {self.device} is not available on this machine. Use the `device` cpu.")

    def _load(self, path: str) -> LocalModel:
        model = LocalModel.load(path, dtype=self.dtype, device=self.device, trust_remote_code=self.trust_remote_code)
        if self.adapter and not has_adapter(model.module):
            add_adapter(model.module, self.adapter, base=path)
        if self.gradient_checkpointing:
            model.recompute()
        return model

    def _reference(self, weights: str, policy: LocalPolicy, load: Callable[[str], LocalPolicy]) -> Policy:
        """The policy that training began with: the model below a fresh adapter, or weights of its own."""
        if self.adapter and not is_adapter(weights):
            below = BelowGates(policy) if isinstance(policy, HybridPolicy) else policy
            return BelowAdapter(below, policy.model.module)
        return load(weights)
