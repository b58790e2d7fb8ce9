"""How a process model says whether a step is good: by two words of its vocabulary, or by a number of its own.

Both give a pair of logits (good, bad) at a step tag; the score of the step is their softmax. Every objective reads such
pairs, so any of them trains either head.

Axes: N step tags, d width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel

HeadKind = Literal["two-token", "scalar"]
HEAD_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)

SCALAR_FOLDER = "scalar_head"
"""In a folder of its own: some engines load every safetensors file that lies beside the weights."""


class StepHead(Protocol):
    """From hidden states at step tags to (good, bad) logits."""

    kind: ClassVar[HeadKind]

    @property
    def tokens(self) -> Mapping[str, int]:
        """The tokens it reads, by name."""
        ...

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained beside the model's own weights."""
        ...

    def logits(self, model: LocalModel, hidden: Tensor) -> Tensor:
        """hidden (N, d) -> (N, 2) float32, differentiable."""
        ...

    def save(self, directory: Path) -> None:
        """Writes what the checkpoint does not hold already."""
        ...


@dataclass(frozen=True, slots=True)
class TwoTokenHead(StepHead):
    """The logits of two tokens, good and bad, of the model's own vocabulary head (Math-Shepherd, arXiv 2312.08935)."""

    kind: ClassVar[HeadKind] = "two-token"
    good: int
    bad: int

    @property
    def tokens(self) -> Mapping[str, int]:
        return {"good": self.good, "bad": self.bad}

    @property
    def parameters(self) -> list[Tensor]:
        return []

    def logits(self, model: LocalModel, hidden: Tensor) -> Tensor:
        head, pair = model.head, [self.good, self.bad]
        bias = None if head.bias is None else head.bias[pair]
        return replace(head, weight=head.weight[pair], bias=bias).logits(hidden)

    def save(self, directory: Path) -> None:
        """Nothing: the tokens stand in the record."""


@dataclass(frozen=True, slots=True, eq=False)
class ScalarHead(StepHead):
    """z = w · h + b, as the pair (z, 0): the score is the logistic function of z; as PQM's Q it is z itself.

    weight (d,), bias (1,) float32. Begins as zeros, so every step scores one half.
    """

    kind: ClassVar[HeadKind] = "scalar"
    weight: Tensor
    bias: Tensor

    @classmethod
    def new(cls, model: LocalModel) -> "ScalarHead":
        width = model.head.weight.shape[1]
        made = (torch.zeros(size, device=model.device, requires_grad=True) for size in (width, 1))
        return cls(*made)

    @classmethod
    def load(cls, directory: Path, model: LocalModel) -> "ScalarHead":
        """Raises ForageError where it is missing, damaged or of another width."""
        file = directory / SCALAR_FOLDER / "scalar.safetensors"
        try:
            tensors = load_file(file)
            made = [tensors[name].to(model.device).requires_grad_() for name in ("weight", "bias")]
        except (OSError, SafetensorError, KeyError) as error:
            raise ForageError(f"The scalar head {file} cannot be read: {error}.") from error
        if made[0].shape != (model.head.weight.shape[1],) or made[1].shape != (1,):
            raise ForageError(f"The scalar head {file} belongs to a model of another width.")
        return cls(*made)

    @property
    def tokens(self) -> Mapping[str, int]:
        return {}

    @property
    def parameters(self) -> list[Tensor]:
        return [self.weight, self.bias]

    def logits(self, model: LocalModel, hidden: Tensor) -> Tensor:
        score = functional.linear(hidden.float(), self.weight[None], self.bias)
        return torch.cat([score, torch.zeros_like(score)], dim=1)

    def save(self, directory: Path) -> None:
        (directory / SCALAR_FOLDER).mkdir()
        tensors = {"weight": self.weight.detach().cpu(), "bias": self.bias.detach().cpu()}
        save_file(tensors, directory / SCALAR_FOLDER / "scalar.safetensors")


def load_head(kind: str, directory: Path, model: LocalModel, tokens: Mapping[str, Any]) -> StepHead:
    """The head of a saved process model. Raises ForageError for one that this version does not know."""
    loaders: Mapping[str, Callable[[], StepHead]] = {
        TwoTokenHead.kind: lambda: TwoTokenHead(int(tokens["good"]), int(tokens["bad"])),
        ScalarHead.kind: lambda: ScalarHead.load(directory, model),
    }
    if kind not in loaders:
        raise ForageError(f"{directory} has a head of the kind {kind!r}; this version knows {', '.join(loaders)}.")
    return loaders[kind]()
