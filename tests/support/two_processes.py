"""What `test_processes` runs in each of two processes, beside `Alone` which does all; findings go to a folder."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import torch

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Tools
from forage.core.records import SampleRequest, SamplingParams, Start
from forage.engines.critic_training import CriticTraining
from forage.engines.distributed.partition import divided
from forage.engines.distributed.process_group import Alone, ProcessGroup
from forage.engines.distributed.torchrun import open_group
from forage.engines.local.adapters import Lora, add_adapter
from forage.engines.local.codec import LocalCodec
from forage.engines.local.critic import LocalCritic
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import place
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.sampler import LocalSampler
from forage.engines.optimization import Optimization
from forage.methods import apply, grpo, kl_penalty
from forage.parts.losses.demonstrations import Likelihood
from forage.parts.losses.penalty import EntropyPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.loop import Outcome, resume, train
from forage.training.recipe import Grouping, Recipe, Schedule
from forage.verification.judge import InlineJudge
from support.builders import group
from support.worlds import EASY

loaded = lru_cache(LocalModel.load)  # copied; reading the same weights would be a third of what is done here
LOSS = PolicyLoss(
    surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean(), penalties=(EntropyPenalty(coefficient=0.1),)
)


def rows_of(count: int, *, width: int = 20, silent: int = 0, starts: int | None = None) -> TrainBatch:
    """Responses of very different lengths, two groups; the first `silent` have no advantage.

    They begin like the first `starts` of them, where given; otherwise all begin differently.
    """
    generator = torch.Generator().manual_seed(7)
    lengths = torch.randint(4, width + 1, (count,), generator=generator)
    position = torch.arange(width)
    loss_mask = (position >= 3) & (position < lengths[:, None])
    batch = Batch(
        tokens=torch.randint(2, 8, (count, width), generator=generator),
        loss_mask=loss_mask,
        origin=torch.zeros(count, dtype=torch.int64),
        behaviour=-2 * torch.rand(count, width, generator=generator) * loss_mask,
        entropy=torch.rand(count, width, generator=generator) * loss_mask,
        reward=torch.rand(count, generator=generator),
        group=torch.arange(count) % 2,
        step=torch.where(loss_mask, 0, -1),
        step_reward=torch.zeros(count, width),
        version=torch.zeros(count, dtype=torch.int64),
        weight=torch.ones(count),
    )
    number = torch.arange(count) % (starts or count)
    batch.tokens[:, :3] = 2 + number[:, None] // torch.tensor([1, 6, 36]) % 6
    advantage = torch.randn(count, width, generator=generator) * loss_mask
    advantage[:silent] = 0
    return TrainBatch(Experience(batch, {}), advantage)


def policy(
    model: Path,
    ranks: ProcessGroup,
    parallel: str,
    *,
    prepare: Callable[[LocalModel], None] = lambda model: None,
    dtype: str = "float32",
    share_starts: bool = True,
    **settings: Any,
) -> LocalPolicy:
    local = deepcopy(loaded(model, dtype=dtype))
    prepare(local)
    optimization = Optimization(**{"lr": 1e-3, "micro_tokens": 64, **settings})
    placement = place(local, ranks, parallel=parallel)
    return LocalPolicy(local, optimization, temperature=1.0, placement=placement, share_starts=share_starts)


def gradient(of: LocalPolicy) -> torch.Tensor:
    gradients = [p.grad for p in of._parameters if p.grad is not None]
    return torch.cat([(g.full_tensor() if hasattr(g, "full_tensor") else g).flatten() for g in gradients])  # pyright: ignore[reportAttributeAccessIssue]


def weights(of: LocalPolicy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in of.model.module.parameters()])


def apart(first: torch.Tensor, other: torch.Tensor) -> float:
    return float((first - other).abs().max() / other.abs().max())


def learning(model: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """Gradients, metrics, weights after several updates, moments, and what is measured, beside one process."""
    results: dict[str, Any] = {}
    batches = {
        "many": rows_of(13),
        "siblings": rows_of(13, starts=3),
        "few": rows_of(5, silent=4),
        "none": rows_of(4, silent=4),
        "shown": replace(rows_of(4, silent=4), demonstrations=rows_of(1).batch),  # for one of the two processes
    }
    losses = {**dict.fromkeys(batches, replace(LOSS, penalties=())), "many": LOSS, "siblings": LOSS}
    losses["shown"] = replace(losses["shown"], demonstration_penalties=(Likelihood(coefficient=1.0),))
    more: dict[str, Any] = {"mini_batches": 2, "epochs": 2, "grad_clip": 0.05}
    lone = {name: policy(model, Alone(), "data", share_starts=False, mini_batches=1, grad_clip=1e9) for name in batches}
    alone = {name: lone[name].improve(batch, losses[name], seed=0) for name, batch in batches.items()}
    # AdamW makes much of rounding where a gradient is nearly 0: another micro-batch size shows how much.
    one, rounded = (policy(model, Alone(), "data", micro_tokens=tokens, **more) for tokens in (64, 40))
    for learner, seed in product((one, rounded), range(2)):
        learner.improve(batches["many"], LOSS, seed=seed)
    for parallel in ("data", "fsdp"):
        for name, batch in batches.items():
            two = policy(model, ranks, parallel, mini_batches=1, grad_clip=1e9)
            results[f"{parallel} {name} metrics"] = [alone[name], two.improve(batch, losses[name], seed=0)]
            wanted = gradient(lone[name])
            norm = wanted.abs().max().clamp_min(1e-12)
            results[f"{parallel} {name} gradient"] = float((gradient(two) - wanted).abs().max() / norm)
        two = policy(model, ranks, parallel, **more)
        for seed in range(2):
            two.improve(batches["many"], LOSS, seed=seed)
        results[f"{parallel} weights"] = [apart(weights(of), weights(one)) for of in (two, rounded)]
        moments, numbers = two.optimizer_state()
        again = policy(model, ranks, parallel, **more)
        again.restore_optimizer(moments, numbers)
        restored, _ = again.optimizer_state()
        results[f"{parallel} restored"] = all(torch.equal(restored[key], moments[key]) for key in moments)
        seen, wanted = two.measure(batches["many"].batch), two.forward(batches["many"].batch)
        results[f"{parallel} measured"] = apart(seen.logprob, wanted.logprob.detach())
    return results


def adapt(model: LocalModel) -> None:
    """An adapter that has moved away from where it began: there half of its gradient is 0."""
    add_adapter(model.module, Lora(rank=4), base="somewhere")
    with torch.no_grad():
        for parameter in (p for p in model.module.parameters() if p.requires_grad):
            parameter.add_(torch.sin(torch.arange(parameter.numel()) * 0.7).view_as(parameter) * 0.1)


def adapt_and_recompute(model: LocalModel) -> None:
    adapt(model)
    model.recompute()


WAYS: dict[str, dict[str, Any]] = {
    "adapter": {"prepare": adapt},
    "recompute": {"prepare": LocalModel.recompute},
    "both": {"prepare": adapt_and_recompute},
    "half adapter": {"prepare": adapt_and_recompute, "dtype": "bfloat16"},
}


def ways(model: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """Adapters and gradient checkpointing in shards and in data parallel: the gradient beside that of one process."""
    results: dict[str, Any] = {}
    batch, computed = rows_of(13), [0]

    def count(*_: Any) -> None:
        computed[0] += 1

    for parallel in ("data", "fsdp"):
        for name, way in WAYS.items():
            once: dict[str, Any] = {"mini_batches": 1, "grad_clip": 1e9, **way}
            one, two = policy(model, Alone(), "data", **once), policy(model, ranks, parallel, **once)
            before, learner = weights(two), getattr(two._placement, "_learner", two.model)
            watch = learner.module.model.layers[0].self_attn.register_forward_pre_hook(count)
            computed[0] = 0
            one.improve(batch, LOSS, seed=0)
            together = two.improve(batch, LOSS, seed=0)
            watch.remove()
            passes = len(two._placement.passes(batch.batch.lengths, 64))
            seen, wanted = two.measure(batch.batch), two.forward(batch.batch)
            results[f"{parallel} {name}"] = {
                "gradient": apart(gradient(two), gradient(one)),
                "numbers": [gradient(of).numel() for of in (one, two)],
                "computed": computed[0] / passes,
                "moved": float((weights(two) - before).abs().max()),
                "measured": apart(seen.logprob, wanted.logprob.detach()),
                "norm": together["grad_norm"],
            }
    return results


def halves(model: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """Weights in bfloat16: gradient, masters and what samples, beside one process; and a state that is restored."""
    results: dict[str, Any] = {}
    batch, settings = rows_of(13), {"dtype": "bfloat16", "mini_batches": 1, "grad_clip": 1e9}
    for parallel in ("data", "fsdp"):
        one, two = policy(model, Alone(), "data", **settings), policy(model, ranks, parallel, **settings)
        before = {name: tensor.clone() for name, tensor in one.optimizer_state()[0].items()}
        one.improve(batch, LOSS, seed=0)
        two.improve(batch, LOSS, seed=0)
        between = apart(gradient(two), gradient(one))
        one.improve(batch, LOSS, seed=1)
        two.improve(batch, LOSS, seed=1)
        tensors, numbers = two.optimizer_state()
        again = policy(model, ranks, parallel, **settings)
        again.restore_optimizer(tensors, numbers)
        restored = again.optimizer_state()[0]
        masters = [name for name in tensors if name.endswith(".master")]
        flat = torch.cat([tensors[name].flatten() for name in masters])
        moved, wanted = (
            torch.cat([(state[name] - before[name]).flatten() for name in masters])
            for state in (tensors, one.optimizer_state()[0])
        )
        results[parallel] = {
            "gradient": between,
            "moved": [float(moved.norm()), float(wanted.norm()), float(torch.cosine_similarity(moved, wanted, dim=0))],
            "formats": sorted({str(tensor.dtype) for tensor in tensors.values()}),
            "rounded": torch.equal(weights(two), flat.bfloat16()),
            "restored": all(torch.equal(restored[name], tensors[name]) for name in tensors),
        }
        again.improve(batch, LOSS, seed=2)
        two.improve(batch, LOSS, seed=2)
        results[parallel]["goes on"] = torch.equal(weights(again), weights(two))
    return results


def critics(model: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """A critic in each process beside the critic of one process; and critics that were made to part."""
    batch, results = rows_of(13), {}

    def critic(ranks: ProcessGroup) -> LocalCritic:
        optimization = Optimization(lr=1e-2, micro_tokens=64, mini_batches=2)
        return LocalCritic(deepcopy(loaded(model)), CriticTraining(optimization=optimization), ranks)

    def learn(learner: LocalCritic, seed: int) -> dict[str, float]:
        return learner.learn(
            replace(batch, experience=Experience(batch.batch, {"value": learner.measure(batch.batch)})), seed=seed
        )

    alone, own = critic(Alone()), critic(ranks)
    metrics = [[learn(learner, seed) for seed in range(3)] for learner in (alone, own)]
    results["metrics agree"] = metrics[0] == metrics[1]
    results["weights agree"] = all(torch.equal(a, b) for a, b in zip(alone._parameters, own._parameters, strict=True))
    results["values"] = own.measure(batch.batch).double().sum().item()
    if ranks.rank == 1:
        with torch.no_grad():
            own._parameters[0].add_(1e-3)
    try:
        learn(own, 3)
        results["diverged"] = "nothing"
    except ForageError as error:
        results["diverged"] = str(error)
    return results


def killed(model: Path, place: Path, ranks: ProcessGroup) -> None:
    """A run whose second process is killed by the system after step 3, behind a checkpoint of step 2."""
    victim = int(ranks.gather(str(os.getpid()).encode())[1])

    def on_step(metrics: Any) -> None:
        if metrics["step"] == 3:
            os.kill(victim, signal.SIGKILL)

    train(recipe(model, steps=6), out=place / "killed", on_step=on_step, ranks=ranks)


class Recorded(InlineJudge):
    """Remembers how many texts this process has judged."""

    judged = 0

    def submit(self, problem: Any, texts: Sequence[str]) -> Any:
        self.judged += len(texts)
        return super().submit(problem, texts)


def dividing(model: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """The divided sampler and judge give what those of one process give, to every process, for less work."""
    local = LocalModel.load(model)
    judge = Recorded(EASY)
    plain = Tools(LocalCodec(local.tokenizer), LocalSampler(local), judge)
    tools = divided(plain, ranks)
    problems = EASY.problems("train")
    requests = [
        SampleRequest(plain.codec.prompt(problem) + (6,) * number, 3, number) for number, problem in enumerate(problems)
    ]
    params = SamplingParams(max_tokens=6)
    expected = dict(plain.sampler.sample(requests, params))
    drawn = dict(tools.sampler.sample(requests, params))
    texts = [[plain.codec.decode(completion.tokens) for completion in drawn[number]] for number in range(len(problems))]
    pending = [tools.judge.submit(problem, answers) for problem, answers in zip(problems, texts, strict=True)]
    scores = [verdict.result() for verdict in pending]
    right = [plain.judge.submit(problem, answers).result() for problem, answers in zip(problems, texts, strict=True)]
    groups = tools.share(lambda starts: [group([1.0, 0.0], name=start.problem.id) for start in starts], to_starts(7))
    return {
        "tokens agree": [[c.tokens for c in drawn[n]] == [c.tokens for c in expected[n]] for n in sorted(expected)],
        "verdicts agree": scores == right,
        "judged here": judge.judged - 3 * len(problems),
        "groups": [each.start.problem.id for each in groups],
    }


def to_starts(count: int) -> list[Start]:
    return [group([0.0], name=f"p{number}").start for number in range(count)]


def failing(ranks: ProcessGroup) -> dict[str, str]:
    """What one process meets, all of them hear."""

    def ends(error: BaseException) -> str:
        def work() -> bytes:
            if ranks.rank == 1:
                raise error
            return b"done"

        try:
            ranks.together(work)
        except BaseException as heard:
            return f"{type(heard).__name__}: {heard}"
        return "nothing"

    errors: list[BaseException] = [ForageError("No disk."), KeyboardInterrupt(), ValueError("odd"), SystemExit(3)]
    return {type(error).__name__: ends(error) for error in errors}


def recipe(model: Path, *, steps: int, parallel: Any = "data", method: Sequence[Any] = ()) -> Recipe:
    return apply(
        Recipe(
            name="world",
            model=str(model),
            task=EASY,
            schedule=Schedule(steps=steps, checkpoint_every=2, rollouts_every=2),
            grouping=Grouping(groups=3, group_size=8),
            sampling=SamplingParams(max_tokens=4),
            optimization=Optimization(lr=3e-3, mini_batches=2),
            engine=LocalEngine(threads=1, matmul="highest", parallel=parallel),
        ),
        [grpo(), kl_penalty(coefficient=0.01), *method],
    )


def stopping_at(step: int) -> Callable[[Any], None]:
    def on_step(metrics: Any) -> None:
        if metrics["step"] == step:
            raise KeyboardInterrupt

    return on_step


def runs(model: Path, place: Path, ranks: ProcessGroup) -> dict[str, Any]:
    """Runs that two processes begin and one goes on with, and the other way round; and an evaluation."""

    def of(outcome: Outcome) -> list[Any]:
        return [outcome.step, outcome.finished]

    results = {
        parallel: of(
            train(recipe(model, steps=6, parallel=parallel), out=place / parallel, on_step=stopping_at(3), ranks=ranks)
        )
        for parallel in ("data", "fsdp")
    }
    results["resumed"] = of(resume(place / "by one first", ranks=ranks))
    files = evaluate_checkpoint(place / "by one first", n=70, ranks=ranks)
    return {**results, "evaluation": str(files[0])}


def main(model_folder: str, place_folder: str, only: str = "") -> None:
    model, place = Path(model_folder), Path(place_folder)
    torch.set_num_threads(1)
    with open_group() as ranks:
        assert ranks.world == 2
        if only == "killed":
            killed(model, place, ranks)
            return
        if only == "goes on":
            assert resume(place / "killed", ranks=ranks).finished
            return
        results = {
            "learning": learning(model, ranks),
            "ways": ways(model, ranks),
            "halves": halves(model, ranks),
            "critics": critics(model, ranks),
            "dividing": dividing(model, ranks),
            "failing": failing(ranks),
            "runs": runs(model, place, ranks),
        }
        (place / f"found{ranks.rank}.json").write_text(json.dumps(results))
