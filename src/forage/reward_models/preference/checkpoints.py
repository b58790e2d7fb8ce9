"""Reward models and folders: collecting comparisons, training, averaging, scoring."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from forage.core.atomic import new_directory
from forage.core.errors import ForageError
from forage.core.protocols import OnProgress
from forage.core.records import SampleRequest, SamplingParams
from forage.core.seeds import derive_seed
from forage.engines.local.reward_model import RewardModel, average, check_reward_model
from forage.evaluation.fingerprint import fingerprint
from forage.reward_models.preference import Ranking
from forage.reward_models.preference.train import (
    Agreement,
    Encoded,
    RewardOutcome,
    RewardTraining,
    agree,
    train_reward_model,
)
from forage.tasks.dialogue import Dialogue, rank
from forage.training.checkpoints import find_checkpoint
from forage.training.fit import OnUpdate
from forage.training.resumable import resumable


def collect_rankings(
    path: Path,
    *,
    comparisons: int,
    k: int = 2,
    noise: float = 1.0,
    temperature: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[Ranking]:
    """What the listeners of the dialogue task prefer among k different responses of the model at `path`.

    Goes round the training requests until there are `comparisons` rankings; requests to which the model gave fewer than
    k different responses are left out. `noise` is in units of utility: 0 ranks without error.
    """
    if comparisons < 1 or k < 2 or noise < 0:
        raise ForageError("Comparisons must be 1 or more, each of 2 or more responses, with noise of 0 or more.")
    checkpoint = find_checkpoint(path)
    if threads is not None:
        torch.set_num_threads(threads)
    opened = checkpoint.engine.open(str(checkpoint.weights))
    problems = Dialogue().problems("train")
    params = SamplingParams(temperature=temperature, max_tokens=max_tokens)
    rankings: list[Ranking] = []
    for around in itertools.count():
        requests = [
            SampleRequest(
                tokens=opened.codec.prompt(problem),
                group_size=3 * k,
                seed=derive_seed(seed, "comparison", problem.id, around),
            )
            for problem in problems
        ]
        before = len(rankings)
        for order, completions in sorted(opened.sampler.sample(requests, params)):
            texts = tuple(dict.fromkeys(opened.codec.decode(each.tokens) for each in completions if each.stop == "eos"))
            if len(texts) >= k:
                prompt = str(problems[order].prompt)
                rankings.append(Ranking(prompt=prompt, responses=rank(prompt, texts[:k], noise=noise, seed=seed)))
        if on_progress is not None:
            on_progress(min(len(rankings), comparisons), comparisons)
        if len(rankings) >= comparisons:
            return rankings[:comparisons]
        if len(rankings) == before:
            raise ForageError(f"{path} never gives {k} different responses to one request, so nothing can be compared.")
    raise AssertionError("unreachable")


def train_checkpoint(
    path: Path,
    *,
    rankings: Sequence[Ranking],
    out: Path,
    settings: RewardTraining,
    checkpoint_every: int = 100,
    device: str = "cpu",
    threads: int | None = None,
    on_update: OnUpdate | None = None,
) -> RewardOutcome:
    """Trains a reward model that begins as the causal model at `path`, and writes it to `out`, which must be new.

    Interrupted or killed, the same call continues from its last checkpoint (every `checkpoint_every` updates) in
    `OUT-unfinished`, with the same bits.
    """
    checkpoint = find_checkpoint(path)
    if threads is not None:
        torch.set_num_threads(threads)
    asked = {"settings": asdict(settings), "model": fingerprint(checkpoint.weights), "device": device}
    with resumable(out, asked | {"preferences": _digest(rankings)}, every=checkpoint_every) as work:
        model, checkpointing = work.open(
            lambda: RewardModel.from_causal(checkpoint.weights, device=device),
            lambda saved: RewardModel.load(saved, device=device),
        )
        outcome = train_reward_model(model, rankings, settings, checkpointing=checkpointing, on_update=on_update)
        model.about["initialized_from"] = checkpoint.label
        with work.finished() as directory:
            model.save(directory)
    return outcome


def _digest(rankings: Sequence[Ranking]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for each in rankings:
        digest.update(repr((each.prompt, each.responses)).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Averaged:
    """How the average of weights agrees with rankings, beside its members and the average of their predictions."""

    members: tuple[Agreement, ...]
    predictions: Agreement
    weights: Agreement


def average_checkpoints(
    paths: Sequence[Path], *, out: Path, rankings: Sequence[Ranking] = (), device: str = "cpu"
) -> Averaged | None:
    """Averages the weights of reward models (WARM, arXiv 2401.12187) and writes the model to `out`.

    With `rankings` (held out from all of them) it also reports what the average is worth. Where the weights' average is
    worse than the members, they do not lie in one basin: begin them as one model, with one probe.
    """
    if out.exists():
        raise ForageError(f"{out} exists already. Name a folder that does not exist.")
    for path in paths:
        check_reward_model(path)
    models = [RewardModel.load(path, device=device) for path in paths]
    members: list[Agreement] = []
    encoded: tuple[Encoded, ...] = ()
    predictions = None
    if rankings:
        encoded = tuple(tuple(models[0].encode(each.prompt, text) for text in each.responses) for each in rankings)
        members = [agree(model.score, encoded, "plackett-luce") for model in models]

        def ensemble(responses: Sequence[Sequence[int]]) -> list[float]:
            return torch.tensor([model.score(responses) for model in models], dtype=torch.float64).mean(0).tolist()

        predictions = agree(ensemble, encoded, "plackett-luce")
    averaged = average(models)
    averaged.about = {"average_of": [path.name for path in paths]}
    with new_directory(out) as directory:
        averaged.save(directory)
    if predictions is None:
        return None
    return Averaged(tuple(members), predictions, agree(averaged.score, encoded, "plackett-luce"))


def score_rankings(path: Path, rankings: Sequence[Ranking], *, device: str = "cpu") -> list[list[float]]:
    """The reward of every response of every ranking, in their order."""
    check_reward_model(path)
    model = RewardModel.load(path, device=device)
    encoded = [model.encode(each.prompt, text) for each in rankings for text in each.responses]
    rewards = iter(model.score(encoded))
    return [[next(rewards) for _ in each.responses] for each in rankings]
