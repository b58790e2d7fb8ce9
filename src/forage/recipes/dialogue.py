"""The preference world as a recipe: answer requests as the listeners like it, learning from a reward model."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build, word_tokenizer
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import Choices, with_methods
from forage.tasks.dialogue import Dialogue
from forage.tasks.dialogue.language import END, PAD, WORDS
from forage.training.recipe import Grouping, Recipe, Schedule


@dataclass(frozen=True)
class NoisyTraces(Language):
    """Requests and what careless writers answer."""

    task: Dialogue

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return word_tokenizer(WORDS, end=END, pad=PAD)

    def written(self, amount: int) -> Iterator[Example]:
        token_of = {word: token for token, word in enumerate(WORDS)}
        for prompt, response in self.task.written(amount):
            yield [token_of[word] for word in prompt.split()], [token_of[word] for word in (*response.split(), END)]

    def identity(self) -> Sequence[Any]:
        return [list(self.task.written(100)), WORDS]


@dataclass(frozen=True, kw_only=True)
class DialogueSettings(TinySettings):
    """How the base model of the dialogue world is made."""

    traces: int = 20_000
    steps: int = 400
    layers: int = 2

    @property
    def language(self) -> NoisyTraces:
        return NoisyTraces(Dialogue(seed=self.seed))

    @property
    def world(self) -> str:
        return "dialogue"

    @property
    def label(self) -> str:
        return "base-dialogue"


def build_dialogue_base(out: Path | None = None, *, seed: int = 0, progress: bool = True) -> Path:
    """The directory of the dialogue world's base model, built (in half a minute) unless it exists."""
    return build(DialogueSettings(**{**asdict(DialogueSettings()), "seed": seed}), out, progress=progress)


def dialogue(
    *,
    model: str | None = None,
    method: Choices = (),
    seed: int = 0,
    steps: int = 60,
    problems: int = 16,
    group_size: int = 8,
    max_tokens: int = 64,
    temperature: float = 1.0,
    lr: float = 5e-4,
    mini_batches: int = 2,
    micro_tokens: int = 2048,
    checkpoint_every: int = 20,
    keep_checkpoints: int = 2,
    rollouts_every: int = 20,
    device: str = "cpu",
    matmul: Literal["auto", "highest", "medium"] = "auto",
    threads: int = 0,
    sampler: str = "local",
) -> Recipe:
    """Dialogue: greet, comfort and help somebody, where what they like is known by comparisons only.

    Give `--method reward_model:model=FOLDER` (from `forage rm train`): without it the hidden utility itself is the
    reward, which is the upper bound that a reward model can be compared with. `correct` in the metrics, and
    `forage eval`, always ask the hidden utility.

    Args:
        model: checkpoint to start from; the world's tiny base model (built once, then cached) unless given.
        method: methods in order, an algorithm first; GRPO where no algorithm is given.
        seed: of the run; the base model and the requests do not depend on it.
        steps: reinforcement-learning steps.
        problems: groups per step.
        siblings: responses per group.
        max_tokens: limit of a response.
        temperature: of sampling and of the policy that is learned.
        lr: learning rate of AdamW.
        mini_batches: optimizer steps per step.
        micro_tokens: padded tokens per forward pass; memory against speed, gradients agree up to rounding.
        checkpoint_every: steps between checkpoints (0: only the last).
        keep_checkpoints: how many checkpoints stay on disk.
        rollouts_every: steps between saved rollouts (0: only the last).
        device: cpu or cuda.
        matmul: float32 matrix product; "auto" measures and takes the fastest that is accurate.
        threads: of the matrix products; 0 is all cores.
        sampler: who draws the responses: local, or vllm (docs/vllm.md), as vllm:cap=2 or vllm:server=http://HOST:PORT.
    """
    recipe = Recipe(
        name="dialogue",
        model=model or str(build_dialogue_base()),
        task=Dialogue(),
        seed=seed,
        schedule=Schedule(
            steps=steps,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            rollouts_every=rollouts_every,
        ),
        grouping=Grouping(problems=problems, group_size=group_size),
        sampling=SamplingParams(temperature=temperature, max_tokens=max_tokens),
        optimization=Optimization(lr=lr, mini_batches=mini_batches, micro_tokens=micro_tokens),
        engine=LocalEngine(device=device, matmul=matmul, threads=threads),
        sampler=parse_sampler(sampler),
    )
    return with_methods(recipe, method)
