"""Soft Q-learning in this process: a policy, a critic as wide as the vocabulary and its target network (2402.06700).

The whole distribution of every learned token is held at once, so this is for toy vocabularies.

Axes: B sequences, T tokens, N learned tokens of a pass in the order of `Tensor.nonzero`, V vocabulary, d width.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from forage.core.batch import Batch, Experience, TokenWeights, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Loss, Tallies
from forage.core.seeds import derive_seed
from forage.engines.local.critic import PolicyAndCritic, below, freeze_head
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import micro_batches
from forage.engines.local.policy import Learner, LocalPolicy
from forage.engines.soft_q_training import SoftQTraining
from forage.ops.masked import masked
from forage.ops.returns import at_last_token
from forage.ops.soft_q import soft_expectations, soft_q_loss, soft_q_targets
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.value_loss import judged

LARGEST_VOCABULARY = 4096
"""Tokens of the largest vocabulary that is served: all of them are held for every learned token, four times."""


def check_vocabulary(model: LocalModel) -> None:
    """Raises ForageError for a vocabulary that is too large."""
    size = model.head.weight.shape[0]
    if size > LARGEST_VOCABULARY:
        raise ForageError(
            f"etpo learns a value of every token of the vocabulary in every state, and this model has {size} tokens: "
            f"it is for toy vocabularies of at most {LARGEST_VOCABULARY}. Train such a model with grpo or ppo."
        )


@dataclass(frozen=True, slots=True)
class WholeForward(Forward):
    """A forward pass with the log-probabilities of all tokens, (N, V) float32."""

    distribution: Tensor


class WholePolicy(LocalPolicy):
    """A policy that sees the whole distribution of each learned token."""

    def see(self, model: LocalModel, batch: Batch) -> WholeForward:
        hidden = self.scoring(model, batch)
        seen = self.scored(model, batch, hidden)
        return WholeForward(seen.logprob, seen.entropy, self._distribution(model, hidden))

    @torch.no_grad()
    def distribution(self, batch: Batch) -> Tensor:
        """(N, V): ln pi of all tokens, without gradients."""
        return self._distribution(self.model, self.scoring(self.model, batch))

    def _distribution(self, model: LocalModel, hidden: Tensor) -> Tensor:
        head = model.head
        logits = nn.functional.linear(hidden, head.weight, head.bias).float() * head.scale
        if head.softcap is not None:
            logits = torch.tanh(logits / head.softcap) * head.softcap
        return (logits / self._temperature).log_softmax(-1)


class SoftQCritic(Learner[Tensor]):
    """Q(s, w) = W h(s) + b for every token w. W and b begin at 0, and a copy of everything follows as the target."""

    def __init__(self, model: LocalModel, target: LocalModel, training: SoftQTraining) -> None:
        for each in (model, target):
            freeze_head(each)
            width, size = each.config.hidden_size, each.head.weight.shape[0]
            head = nn.Linear(width, size, device=each.device, dtype=torch.float32)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            each.module.add_module("q_head", head)
        target.module.requires_grad_(False)
        self._target = target
        self.training = training
        super().__init__(model, training.optimization)

    def forward(self, batch: Batch) -> Tensor:
        """(N, V) float32 with gradients."""
        return _values(self.model, batch)

    @torch.no_grad()
    def look(self, batch: Batch) -> Tensor:
        return self.forward(batch)

    @torch.no_grad()
    def target(self, batch: Batch) -> Tensor:
        """(N, V) float32: what the target network says."""
        return _values(self._target, batch)

    def learn(self, train: TrainBatch, targets: Tensor, *, seed: int) -> dict[str, float]:
        """All optimizer steps for one batch, then the target network follows. targets (B, T): y of each token."""
        known = Experience(train.batch, {"soft_target": targets})
        metrics = self.improve(TrainBatch(known, train.advantage), _QError(), seed=derive_seed(seed, "critic"))
        with torch.no_grad():
            for own, slow in zip(self.model.module.parameters(), self._target.module.parameters(), strict=True):
                slow.lerp_(own, 1 - self.training.polyak)
        return {
            "q_loss": metrics["q_loss"],
            "critic_grad_norm": metrics["grad_norm"],
            "critic_skipped": metrics["skipped"],
            "critic_lr": metrics["lr"],
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Weights of both networks, moments and counters."""
        tensors, numbers = self.optimizer_state()
        named = {f"optimizer.{name}": tensor for name, tensor in tensors.items()}
        for kind, parameter in self._weights():
            named[kind] = parameter.detach().cpu()
        return named, numbers

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        for name, parameter in self._weights():
            parameter.copy_(tensors[name])
        self.restore_optimizer(below("optimizer.", tensors), numbers)

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        for kind, model in (("weights", self.model), ("target", self._target)):
            for number, parameter in enumerate(model.module.parameters()):
                yield f"{kind}.{number}", parameter


def _values(model: LocalModel, batch: Batch) -> Tensor:
    hidden = model.hidden(batch.tokens[:, :-1])[batch.loss_mask[:, 1:]]
    return model.module.get_submodule("q_head")(hidden.float())


@dataclass(frozen=True)
class _QError:
    """Mean over learned tokens of (Q(s_t, w_t) - y_t)^2 / 2, y the signal `soft_target`. Unjudged rows are left out."""

    skips_zero_advantage = False
    of_demonstrations = None

    def settle(self, train: TrainBatch, look: Callable[[Batch], Tensor], state: dict[str, float]) -> TrainBatch:
        return train

    def weigh(self, batch: Batch) -> TokenWeights:
        return _token_mean(batch)

    def __call__(self, q: Tensor, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        mask, counts = train.batch.loss_mask, judged(train.batch)[train.batch.loss_mask]
        own = q.gather(1, train.batch.tokens[mask][:, None]).squeeze(1)
        error = masked((own - train.signals["soft_target"][mask]).square() / 2, counts)
        return (weights.surrogate[mask] * error).sum(), {"q_loss": (error.detach().sum(), counts.sum())}


@dataclass(frozen=True)
class _SoftQObjective:
    """`soft_q_loss`, a mean over the learned tokens of judged rows, beside the penalties of `loss`.

    The advantage plays no part.
    """

    loss: Loss
    training: SoftQTraining
    q: Callable[[Batch], Tensor]
    reference: Callable[[Batch], Tensor]

    skips_zero_advantage = False

    @property
    def of_demonstrations(self) -> Loss | None:
        return self.loss.of_demonstrations

    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        return self.loss.settle(train, look, state)

    def weigh(self, batch: Batch) -> TokenWeights:
        return replace(_token_mean(batch), penalty=self.loss.weigh(batch).penalty)

    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        assert isinstance(forward, WholeForward)
        batch, mask = train.batch, train.batch.loss_mask
        nothing = replace(train, advantage=torch.zeros_like(train.advantage), unshaped=None)
        total, tallies = self.loss(forward, nothing, weights)
        q, reference = self.q(batch), self.reference(batch)
        term = soft_q_loss(forward.distribution, q, reference, beta=self.training.beta, rule=self.training.rule)
        counts = judged(batch)[mask]
        seen = {"soft_q": (masked(term.detach(), counts).sum(), counts.sum())}
        return total + (weights.surrogate[mask] * term).sum(), {**tallies, **seen}


def _token_mean(batch: Batch) -> TokenWeights:
    """Each learned token of a judged row counts alike, each row by its weight."""
    weight = TokenMean()(judged(batch), batch.weight)
    return TokenWeights(surrogate=weight, penalty=weight)


class SoftActorCritic(PolicyAndCritic[SoftQCritic]):
    """A policy and the values of its tokens: both learn from every batch, the critic first, alone while it warms up."""

    def __init__(self, policy: WholePolicy, critic: SoftQCritic, reference: WholePolicy) -> None:
        super().__init__(policy, critic)
        self._whole, self._reference = policy, reference

    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> dict[str, float]:
        self._batches += 1
        batch = _dealt_anew(train.batch, seed=seed) if self.critic.training.permuted else train.batch
        learned = self.critic.learn(train, self.targets(batch), seed=seed)
        if self._batches <= self.critic.training.warmup:
            return {**learned, "critic_alone": 1.0}
        objective = _SoftQObjective(loss, self.critic.training, self.critic.look, self._reference.distribution)
        return {**self.policy.improve(train, objective, seed=seed), **learned, "critic_alone": 0.0}

    def targets(self, batch: Batch) -> Tensor:
        """(B, T) float32: what Q of each learned token is drawn to; 0 in unjudged rows. Rewards are those of `Gae`."""
        expected, divergence = torch.zeros(batch.tokens.shape), torch.zeros(batch.tokens.shape)
        for index, width in micro_batches(batch.lengths, self.critic.training.optimization.tokens_per_pass):
            part = batch.rows(index, width).to(self.model.device)
            values = soft_expectations(
                self.critic.target(part), self._whole.distribution(part), self._reference.distribution(part)
            )
            row, column = part.loss_mask.cpu().nonzero(as_tuple=True)
            expected[index[row], column], divergence[index[row], column] = (each.cpu() for each in values)
        mask, training = judged(batch), self.critic.training
        reward = at_last_token(batch.reward, mask) + masked(batch.step_reward, mask)
        settings = {"beta": training.beta, "gamma": training.gamma}
        return soft_q_targets(reward, expected, divergence, batch.step, mask, rule=training.rule, **settings)


def _dealt_anew(batch: Batch, *, seed: int) -> Batch:
    """The rewards of each group's judged siblings in another order."""
    draw, order = torch.Generator().manual_seed(derive_seed(seed, "dealt")), torch.arange(len(batch))
    for number in batch.group.unique():
        members = ((batch.group == number) & ~batch.reward.isnan()).nonzero().squeeze(1)
        order[members] = members[torch.randperm(len(members), generator=draw)]
    return replace(batch, reward=batch.reward[order])
