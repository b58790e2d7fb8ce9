"""Learning to think in embeddings: an update sees what the rollout saw, and a run survives its disk."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TokenWeights, TrainBatch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Tallies
from forage.core.records import Group, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local.adapters import Lora
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.hybrid_policy import HybridPolicy
from forage.engines.local.hybrid_sampler import HybridSampler
from forage.engines.local.latent_gates import GATES, has_gates
from forage.engines.optimization import Optimization
from forage.engines.soft_q_training import SoftQTraining
from forage.engines.turns import in_turns
from forage.engines.vllm.opening import open_sampler
from forage.engines.vllm.settings import Vllm
from forage.methods import Applied, entropy_forks, grpo, hrpo, hrpo_shuffled, hrpo_shut, kl_penalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.surrogate import Reinforce
from forage.recipes import RECIPES
from forage.tasks.bandit import Bandit
from forage.training.checkpoints import evaluate_checkpoint, export_checkpoint
from forage.training.exact import exact_evaluation
from forage.training.recipe import Recipe
from support.hybrid_oracle import relive
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.small_recipes import small_recipe
from support.worlds import EASY, blank_model

WIDE = HybridThinking(lambda_min=0.3, lambda_max=0.9, marker="north south")
SHUT = HybridThinking(lambda_min=1.0, lambda_max=1.0)
TASK = EASY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


def opened_with(
    folder: Path, thinking: HybridThinking | None, *, temperature: float = 0.7, **optimization: float
) -> tuple[Opened, HybridPolicy]:
    settings = Optimization(**{"lr": 1e-3, "mini_batches": 1, **optimization})  # pyright: ignore[reportArgumentType]
    engine = LocalEngine(threads=1, matmul="highest", thinking=thinking, share_starts=False)
    opened = engine.open(str(folder), optimization=settings, temperature=temperature)
    assert isinstance(opened.policy, HybridPolicy) == bool(thinking)
    return opened, opened.policy  # pyright: ignore[reportReturnType]


def rollouts_of(opened: Opened, *, temperature: float = 0.7) -> Batch:
    groups, problems = [], TASK.problems("train")
    requests = [
        SampleRequest(tokens=opened.codec.prompt(problem), group_size=6, seed=n) for n, problem in enumerate(problems)
    ]
    drawn = dict(opened.sampler.sample(requests, SamplingParams(temperature=temperature, max_tokens=7)))
    for number, problem in enumerate(problems):
        start = Start(problem)
        rollouts = tuple(
            Rollout(start, c.tokens, c.logprobs, c.entropies, "", (len(c.tokens),), c.stop, 0) for c in drawn[number]
        )
        scores = tuple(Score(float(each.tokens[0] % 2)) for each in rollouts)
        groups.append(Group(start, rollouts, scores))
    return collate(groups, opened.codec.prompt)


def train_of(batch: Batch) -> TrainBatch:
    advantage = (batch.reward - 0.5)[:, None] * batch.loss_mask
    return TrainBatch(Experience(batch, {}), advantage)


class Watching:
    """The loss, and what every pass of an update saw."""

    skips_zero_advantage = False
    of_demonstrations = None

    def __init__(self) -> None:
        self.loss = PolicyLoss(surrogate=Reinforce())
        self.seen: list[tuple[Batch, Tensor]] = []

    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        return train

    def weigh(self, batch: Batch) -> TokenWeights:
        return self.loss.weigh(batch)

    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        self.seen.append((train.batch, forward.logprob.detach()))
        return self.loss(forward, train, weights)


@pytest.mark.parametrize("dealt", [False, True])
def test_an_update_sees_what_the_rollout_saw(dealt: bool, folder: Path) -> None:
    opened, policy = opened_with(folder, replace(WIDE, dealt=dealt), micro_tokens=64)
    batch, watching = rollouts_of(opened), Watching()
    policy.improve(train_of(batch), watching, seed=0)
    assert len(watching.seen) > 1
    for part, logprob in watching.seen:
        torch.testing.assert_close(logprob[part.loss_mask], part.behaviour[part.loss_mask], atol=2e-6, rtol=0)
    plain = opened_with(folder, replace(WIDE, dealt=dealt))[1].measure_plain(batch).logprob
    assert float((plain - batch.behaviour)[batch.loss_mask].abs().max()) > 0.05  # what was read matters
    dealt_otherwise = opened_with(folder, replace(WIDE, dealt=not dealt))[1].measure(batch).logprob
    assert float((dealt_otherwise - batch.behaviour)[batch.loss_mask].abs().max()) > 0.01


def test_later_updates_of_a_batch_read_what_the_rollout_read(folder: Path) -> None:
    """What was expected is a constant of the batch, although the weights have moved."""
    opened, policy = opened_with(folder, WIDE, lr=0.05, epochs=2)
    batch, watching = rollouts_of(opened), Watching()
    expected = policy.reader.read(batch).expected
    policy.improve(train_of(batch), watching, seed=0)
    moved = policy.reader.read(batch).expected
    assert not torch.allclose(moved, expected, atol=0.01)
    first, second = watching.seen
    assert torch.equal(second[0].expected, first[0].expected)  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(first[0].expected.sum(), expected.sum())  # pyright: ignore[reportAttributeAccessIssue]
    assert not torch.allclose(first[1], second[1], atol=0.01)


def test_gradients_go_through_the_gates_with_what_was_expected_held_fixed(folder: Path) -> None:
    opened, policy = opened_with(folder, WIDE)
    batch = policy.reader.read(rollouts_of(opened))
    own = [policy.gates.reset.weight, policy.gates.inject.bias, policy.gates.decay]
    own += [next(policy.model.module.get_input_embeddings().parameters())]
    found = torch.autograd.grad(policy.forward(batch).logprob.sum(), own)
    total = torch.zeros((), dtype=torch.float64)
    for row in range(len(batch)):
        mask = batch.loss_mask[row]
        begin, end = int(mask.int().argmax()), int(batch.lengths[row])
        tokens = batch.tokens[row].tolist()
        logprob, _ = relive(
            policy.model.module,
            policy.gates,
            tokens[:begin],
            tokens[begin:end],
            temperature=0.7,
            blends=int(batch.thinking[row].sum()),
            expected=batch.expected[row, begin:end],
        )
        total = total + logprob.sum()
    for one, other in zip(found, torch.autograd.grad(total, own), strict=True):
        assert float(one.abs().max()) > 1e-4
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_with_shut_gates_it_is_the_model_bit_for_bit(folder: Path) -> None:
    (hybrid, policy), (plain, other) = opened_with(folder, SHUT), opened_with(folder, None)
    batch = rollouts_of(plain)
    for one, two in (
        (policy.measure(batch), other.measure(batch)),
        (policy.measure_plain(batch), other.measure(batch)),
    ):
        assert torch.equal(one.logprob, two.logprob)
        assert torch.equal(one.entropy, two.entropy)
    drawn = rollouts_of(hybrid)
    assert torch.equal(drawn.tokens, batch.tokens)
    torch.testing.assert_close(drawn.behaviour, batch.behaviour, atol=1e-6, rtol=0)
    loss = PolicyLoss(surrogate=Reinforce())
    metrics = policy.improve(train_of(batch), loss, seed=3)
    other.improve(train_of(batch), loss, seed=3)
    for one, two in zip(policy.model.module.parameters(), other.model.module.parameters(), strict=True):
        assert torch.equal(one, two)
    assert metrics["kept_share"] == 1
    assert bool(policy.gates.decay.isposinf().all())


def test_the_gates_have_learning_rates_of_their_own(folder: Path) -> None:
    """AdamW's first step moves every weight by its learning rate, whatever the gradient."""
    opened, policy = opened_with(folder, replace(WIDE, gate_lr=3e-3, lambda_lr=2e-2), warmup=2)
    before = {name: tensor.clone() for name, tensor in policy.gates.state_dict().items()}
    head = policy.model.module.lm_head.weight.detach().clone()
    metrics = policy.improve(train_of(rollouts_of(opened)), PolicyLoss(surrogate=Reinforce()), seed=0)
    moved = {name: float((tensor - before[name]).abs().max()) for name, tensor in policy.gates.state_dict().items()}
    for name, size in moved.items():  # the first of two updates of warm-up
        assert size == pytest.approx(1e-2 if name == "decay" else 1.5e-3, rel=0.02), name
    assert float((policy.model.module.lm_head.weight.detach() - head).abs().max()) == pytest.approx(5e-4, rel=0.02)
    assert 0.3 < metrics["kept_share"] < 0.98
    rested = opened_with(folder, replace(WIDE, gate_lr=0.0, lambda_lr=0.0))[1]
    rested.improve(train_of(rollouts_of(opened)), PolicyLoss(surrogate=Reinforce()), seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in rested.gates.state_dict().items())


def small(folder: Path, *methods: Applied, **settings: object) -> Recipe:
    return small_recipe(folder, TASK, *methods, **{"optimization": Optimization(lr=1e-2), **settings})


def test_a_run_resumes_bit_for_bit_and_is_evaluated_with_its_gates(folder: Path, tmp_path: Path) -> None:
    recipe = small(folder, hrpo(lambda_min=0.3, lambda_max=0.6, gate_lr=0.02, lambda_lr=0.1))
    whole, parts = train_whole_and_in_parts(recipe, tmp_path, stop_after=3)
    assert str(metrics_of(whole)) == str(metrics_of(parts))
    assert all(row["ratio_max"] == pytest.approx(1, abs=1e-5) for row in metrics_of(whole))
    assert metrics_of(whole)[0]["kl_penalty"] > 0  # the reference has no gates
    last = whole / "checkpoints" / "step-000004"
    for name in ("model.safetensors", f"{GATES}/gates.safetensors", "training/optimizer.safetensors"):
        assert (last / name).read_bytes() == (parts / "checkpoints" / "step-000004" / name).read_bytes()
    settings = recipe.engine.thinking
    assert settings is not None
    assert json.loads((last / GATES / "gates.json").read_text())["lambda_max"] == settings.lambda_max

    copied = tmp_path / "copied"
    shutil.copytree(last, copied)
    engine = LocalEngine(threads=1, matmul="highest")
    opened = engine.open(str(copied))
    policy = opened.policy
    assert isinstance(policy, HybridPolicy)
    assert isinstance(opened.sampler, HybridSampler)
    batch = rollouts_of(opened, temperature=1.0)
    torch.testing.assert_close(policy.measure(batch).logprob, batch.behaviour, atol=2e-6, rtol=0)
    texts = {}
    for name, place in {"with": copied, "without": tmp_path / "plain"}.items():
        if name == "without":
            shutil.copytree(copied, place)
            shutil.rmtree(place / GATES)
        (file,) = evaluate_checkpoint(place, task=TASK, n=32, max_tokens=4, out=tmp_path / "out", engine=engine)
        texts[name] = json.loads(file.read_text())["problems"]
    assert texts["with"] != texts["without"]

    exported = export_checkpoint(whole, out=tmp_path / "exported", merge=False)
    assert has_gates(exported)
    assert (exported / GATES / "gates.safetensors").read_bytes() == (last / GATES / "gates.safetensors").read_bytes()


def test_an_adapter_learns_beside_the_gates_and_its_reference_reads_tokens(folder: Path) -> None:
    pytest.importorskip("peft")
    engine = LocalEngine(threads=1, matmul="highest", thinking=WIDE, adapter=Lora(rank=2))
    opened = engine.open(str(folder), reference=str(folder), optimization=Optimization(lr=1e-2))
    policy = opened.policy
    assert isinstance(policy, HybridPolicy)
    plain = opened_with(folder, None, temperature=1.0)[1]
    batch = rollouts_of(opened, temperature=1.0)
    for step in range(2):  # also when adapter and gates have moved
        assert opened.reference is not None
        torch.testing.assert_close(opened.reference.measure(batch).logprob, plain.measure(batch).logprob)
        decay = policy.gates.decay.detach().clone()
        policy.improve(train_of(batch), PolicyLoss(surrogate=Reinforce()), seed=step)
        assert not torch.equal(policy.gates.decay, decay)
    with pytest.raises(ForageError, match="without gates"):
        opened.reference._policy.improve(train_of(batch), PolicyLoss(), seed=0)  # pyright: ignore


def test_the_method_and_its_controls(folder: Path) -> None:
    recipe = small(folder, hrpo(lambda_min=0.5, marker="so"), seed=7)
    thinking = HybridThinking(lambda_min=0.5, marker="so", seed=7)
    assert recipe.engine.thinking == thinking
    assert (recipe.optimization.mini_batches, recipe.optimization.epochs) == (1, 1)
    assert small(folder, hrpo_shuffled(lambda_min=0.5)).engine.thinking == HybridThinking(lambda_min=0.5, dealt=True)
    assert small(folder, hrpo_shut(gate_lr=0.5)).engine.thinking == replace(SHUT, gate_lr=0.5)
    assert not small(folder, hrpo(kl=0)).needs_reference
    assert small(folder, hrpo()).needs_reference
    # A = (R - mean) / (std + 1e-4): one right of four has mean 1/4 and sample deviation 1/2.
    value, group = torch.tensor([1.0, 0, 0, 0]), torch.zeros(4, dtype=torch.int64)
    for baseline in recipe.credit.baselines:
        value = baseline(value, group)
    torch.testing.assert_close(value, torch.tensor([0.75, -0.25, -0.25, -0.25]) / (0.5 + 1e-4))


def test_what_is_refused(folder: Path) -> None:
    with pytest.raises(ForageError, match="has an environment"):
        small(folder, hrpo(), task=Bandit())
    with pytest.raises(ForageError, match="plain sampling"):
        small(folder, hrpo(), entropy_forks())
    with pytest.raises(ForageError, match="plain sampling"):
        small(folder, hrpo(), sampler=Vllm())
    with pytest.raises(ForageError, match="has its kl penalty already"):
        small(folder, hrpo(), kl_penalty())
    for other in ({"critic": SoftQTraining()}, {"ranks": _Two()}):
        with pytest.raises(ForageError, match="in one process"):
            LocalEngine(threads=1, matmul="highest", thinking=WIDE).open(str(folder), **other)  # pyright: ignore
    assert small(folder, grpo()).engine.thinking is None


class _Two:
    """Two processes that are never asked for anything."""

    world, local_world, rank = 2, 2, 0


def test_a_checkpoint_with_gates_is_not_taken_for_the_module_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, policy = opened_with(folder, WIDE)
    monkeypatch.setattr(Vllm, "require", lambda self: None)
    with pytest.raises(ForageError, match="vLLM reads tokens alone"), open_sampler(Vllm(), opened, LocalEngine()):
        pass
    with pytest.raises(ForageError, match="responses of one turn"):
        in_turns(opened.sampler, opened, LocalEngine(), Bandit())
    policy.save(tmp_path / "gated")
    task = RECIPES["colouring"](model=str(folder)).task
    with pytest.raises(ForageError, match="leave the exact evaluation out"):
        exact_evaluation(tmp_path / "gated", task=task, problems=2, engine=LocalEngine(threads=1, matmul="highest"))
