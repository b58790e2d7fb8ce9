"""`forage rm collect|train|average|score`: reward models from preferences."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from forage.cli.progress import message_on_interrupt, progress_bar, say, say_rejected
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.reward_models.preference import Ranking, read_rankings, write_rankings
from forage.reward_models.preference.checkpoints import (
    average_checkpoints,
    collect_rankings,
    score_rankings,
    train_checkpoint,
)
from forage.reward_models.preference.train import Agreement, Objective, RewardTraining
from forage.training.fit import FitSettings


def collect_command(
    model: Path,
    /,
    *,
    out: Path,
    comparisons: int = 2000,
    responses: int = 2,
    noise: float = 1.0,
    temperature: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Samples responses in the toy task dialogue and lets its listeners rank them; writes JSON lines.

    Example: forage rm collect runs/first --out pairs.jsonl

    Args:
        model: Who responds: a run directory, a checkpoint, or a model folder of the toy task dialogue.
        out: Where the result is written. A file of JSON lines.
        comparisons: How many comparisons are written.
        responses: Responses of a comparison. 2 are pairs, more are rankings.
        noise: How much listeners err, in units of utility. 0 ranks without error.
        temperature: Sampling temperature.
        max_tokens: The most tokens of a response.
        seed: Random seed. It decides the responses and the listeners.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
    """
    with progress_bar("compare") as move:
        rankings = collect_rankings(
            model,
            comparisons=comparisons,
            k=responses,
            noise=noise,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            threads=threads,
            on_progress=move,
        )
    write_file(out, write_rankings(rankings).encode())
    say(f"{len(rankings)} comparisons of {responses} responses: {out}\nNext: forage rm train {out} --model {model}")


def train_command(
    preferences: Path,
    /,
    *,
    model: Path,
    out: Path,
    objective: Objective = "plackett-luce",
    probe: int = 0,
    fit: FitSettings = FitSettings(epochs=2, batch=32),  # noqa: B008  (frozen)
    checkpoint_every: int = 100,
    device: str = "cpu",
    threads: int | None = None,
) -> None:
    """Trains a reward model on preferences: a Hugging Face sequence classifier with one label.

    Interrupted or killed, the same command continues, with the same bits. The learning rate is for tiny models; those
    of 7 billion parameters were trained with 1e-6 to 1e-5.

    Example: forage rm train pairs.jsonl --model models/base --out models/reward

    Args:
        preferences: JSON lines with prompt, chosen and rejected, or with prompt and ranked (best first).
        model: The model to start from. A run directory, a checkpoint, or a model folder.
        out: Where the result is written. A folder to create.
        objective: What training optimizes. plackett-luce (whole rankings) or pairs (all pairs of them); of two
            responses both are Bradley-Terry. classifier: whether a response is the best, each by itself.
        probe: Optimizer steps of the head alone, before all others. The same for every seed; for models that will be
            averaged.
        checkpoint_every: Steps between two checkpoints. 0: only when interrupted.
        device: Where models compute: cpu or cuda.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
    """
    rankings = read(preferences)
    settings = RewardTraining(objective=objective, probe=probe, **asdict(fit))
    kept = message_on_interrupt("Interrupted; all is saved: the same command goes on from here.")
    with kept, progress_bar("train reward model") as move:
        made = train_checkpoint(
            model,
            rankings=rankings,
            out=out,
            settings=settings,
            checkpoint_every=checkpoint_every,
            device=device,
            threads=threads,
            on_update=lambda done, total, loss: move(done, total, f"loss {loss:.4f}"),
        )
    say_rejected(made.rejected)
    say(f"{made.rankings} comparisons in {made.updates} updates; {len(made.rejected)} rejected. Saved: {out}")
    if made.agreement:
        say(f"Held out: {sentence(made.agreement)}")
    methods = f"--method grpo --method reward_model:model={out} --method kl_penalty:coefficient=0.05"
    say(f"Next: forage train dialogue {methods}")


def average_command(
    models: tuple[Path, ...],
    /,
    *,
    out: Path,
    preferences: Path | None = None,
    device: str = "cpu",
) -> None:
    """Averages the weights of reward models that began as one model (WARM).

    Example: forage rm average models/reward0 models/reward1 --out models/average

    Args:
        models: The folders of the models.
        out: Where the result is written. A folder to create.
        preferences: Comparisons that no model was trained on. They show whether the average is as good as its members.
        device: Where models compute: cpu or cuda.
    """
    agreements = average_checkpoints(models, out=out, rankings=read(preferences) if preferences else (), device=device)
    if agreements:
        for path, each in zip(models, agreements.members, strict=True):
            say(f"{path}: {sentence(each)}")
        say(f"Average of their rewards: {sentence(agreements.predictions)}")
        say(f"Average of their weights: {sentence(agreements.weights)}")
    say(f"Saved: {out}")


def score_command(
    model: Path,
    preferences: Path,
    /,
    *,
    out: Path,
    device: str = "cpu",
) -> None:
    """Scores every response of a file of preferences, and tells how often the order is the same.

    Example: forage rm score models/reward pairs.jsonl --out scores.jsonl

    Args:
        model: A reward model.
        preferences: JSON lines with prompt, chosen and rejected, or with prompt and ranked.
        out: Where the result is written. A file of JSON lines.
        device: Where models compute: cpu or cuda.
    """
    rankings = read(preferences)
    rewards = score_rankings(model, rankings, device=device)
    rows = [
        {"prompt": each.prompt, "ranked": list(each.responses), "rewards": scored}
        for each, scored in zip(rankings, rewards, strict=True)
    ]
    write_file(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    pairs = [(row[i], row[j]) for row in rewards for i in range(len(row)) for j in range(i + 1, len(row))]
    right = sum((better > worse) + 0.5 * (better == worse) for better, worse in pairs)
    say(f"{len(rankings)} comparisons, {len(pairs)} pairs, {right / len(pairs):.1%} in the same order. Saved: {out}")


def sentence(agreement: Agreement) -> str:
    order = f"{agreement.accuracy:.1%} of {agreement.pairs} pairs in the same order"
    return f"{order}, loss {agreement.loss:.4f} nats per comparison."


def read(path: Path) -> tuple[Ranking, ...]:
    """The comparisons of a file; says which rows were rejected. Raises ForageError where none is left."""
    result = read_rankings(path)
    say_rejected(result.rejected)
    if not result.rankings:
        raise ForageError(f"{path} holds no comparison that can be used.")
    return result.rankings


SUBCOMMANDS: Mapping[str, Callable[..., None]] = {
    "collect": collect_command,
    "train": train_command,
    "average": average_command,
    "score": score_command,
}
