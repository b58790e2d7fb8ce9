"""ETPO where its optimum is known: responses of one token, a worth of each token drawn by the seed.

    python experiments/soft_q.py --seeds 0,1,2

The base model of bandits answers its prompt with one token; every step samples 16 answers and learns from them. Prints,
exactly, what the policy is worth and its distance (total variation) from the best one, rho exp(r / beta) / Z: means and
standard deviations over seeds, and differences by pairs of seeds with 95% t-intervals.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from paired import interval, mean
from torch import Tensor

from forage.base_models.bandit import build_bandit_base
from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.records import Group, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.engines.local.engine import LocalEngine
from forage.engines.local.soft_q import SoftActorCritic
from forage.engines.optimization import Optimization
from forage.engines.soft_q_training import SoftQTraining
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.surrogate import Reinforce
from forage.tasks.bandit import Bandit

BETA, SIBLINGS = 0.1, 16
ARMS: dict[str, dict[str, Any]] = {
    "ETPO": {},
    "ETPO, rewards dealt anew (control)": {"permuted": True},
    "ETPO as released": {"rule": "released"},
}


def run(base: str, seed: int, steps: int, settings: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """(worth, distance) of the first policy and of the last one."""
    critic = SoftQTraining(beta=BETA, polyak=0.0, warmup=5, optimization=Optimization(lr=6e-3, epochs=2), **settings)
    opened = LocalEngine(threads=1, matmul="highest").open(
        base, reference=base, critic=critic, optimization=Optimization(lr=3e-3)
    )
    pair, start = opened.policy, Start(Bandit().problems("train")[0])
    assert isinstance(pair, SoftActorCritic)
    prompt, loss = opened.codec.prompt(start.problem), PolicyLoss(surrogate=Reinforce())
    first = _distribution(pair, prompt)
    worth = torch.rand(len(first), generator=torch.Generator().manual_seed(seed))
    best = (first.log() + worth / BETA).softmax(0)
    for step in range(steps):
        request = SampleRequest(tokens=prompt, group_size=SIBLINGS, seed=1000 * seed + step)
        ((_, drawn),) = opened.sampler.sample([request], SamplingParams(max_tokens=1))
        rollouts = tuple(Rollout(start, c.tokens, c.logprobs, c.entropies, "", (1,), c.stop, step) for c in drawn)
        scores = tuple(Score(float(worth[completion.tokens[0]])) for completion in drawn)
        batch = collate([Group(start, rollouts, scores)], opened.codec.prompt)
        train = TrainBatch(Experience(batch, {}), torch.zeros(batch.tokens.shape))
        pair.improve(train, loss, seed=step)
    policies = {"before": first, "after": _distribution(pair, prompt)}
    return {name: (float(p @ worth), float((p - best).abs().sum() / 2)) for name, p in policies.items()}


def _distribution(pair: SoftActorCritic, prompt: Sequence[int]) -> Tensor:
    with torch.no_grad():
        return pair.model.module(torch.tensor([prompt])).logits[0, -1].softmax(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2", help="three, for the intervals")
    parser.add_argument("--steps", type=int, default=40)
    flags = parser.parse_args()
    seeds = [int(seed) for seed in flags.seeds.split(",")]
    base = str(build_bandit_base(progress=False))
    found = {arm: [run(base, seed, flags.steps, settings) for seed in seeds] for arm, settings in ARMS.items()}
    columns = {
        arm: [list(each) for each in zip(*(r["after"] for r in rows), strict=True)] for arm, rows in found.items()
    }
    first = [list(each) for each in zip(*(row["before"] for row in found["ETPO"]), strict=True)]
    print("| arm | worth | distance from the best |\n|---|---|---|")
    for arm, values in {"first policy": first, **columns}.items():
        print(f"| {arm} | " + " | ".join(mean(v) for v in values) + " |")
    for arm, values in {"first policy": first, **columns}.items():
        if arm != "ETPO":
            cells = [
                interval([a - b for a, b in zip(one, other, strict=True)])
                for one, other in zip(columns["ETPO"], values, strict=True)
            ]
            print(f"| ETPO minus {arm} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
