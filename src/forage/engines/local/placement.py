"""Where the weights of a learner lie: whole in every process, or in shards (FSDP2).

Both give the gradient of one process over all rows: a loss is a weighted sum whose denominators belong to the optimizer
step, so the processes' gradients only add up.

Axes: B sequences.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from forage.core.batch import Batch
from forage.engines.distributed.process_group import Alone, ProcessGroup, local_rows, partition_rows
from forage.engines.distributed.torchrun import BUCKET, explain_lost_connection
from forage.engines.local.master_weights import MasterWeights
from forage.engines.local.model import LocalModel
from forage.engines.local.packing import Starts, packed_batches

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Pass:
    """A micro-batch: `rows` of at most `width` tokens. An idle one counts nothing; it keeps processes in step."""

    rows: Tensor
    width: int
    idle: bool = False


class Placement(ABC):
    """`masters.parameters` are what the optimizer moves, in float32. All processes make the same calls."""

    masters: MasterWeights
    ranks: ProcessGroup

    @property
    def parameters(self) -> list[nn.Parameter]:
        return self.masters.parameters

    @abstractmethod
    def passes(self, lengths: Tensor, tokens: int, starts: Starts | None = None) -> list[Pass]:
        """The micro-batches of this process: each has at most `tokens` tokens, padded, or packed where any of `starts`
        is shared. lengths (B,) int64."""

    @abstractmethod
    def forward(self, see: Callable[[LocalModel, Batch], Seen], batch: Batch) -> Seen:
        """`see` by the model that learns."""

    @abstractmethod
    def finish_gradients(self, clip: float) -> float:
        """Adds the gradients of all processes, clips them together, and returns their norm before."""

    @abstractmethod
    @contextmanager
    def learning(self) -> Iterator[None]:
        """Surrounds the updates of a step; afterwards the model that samples has the new weights."""

    def gathered(self, state: Tensor) -> Tensor:
        """The whole of something that the optimizer keeps about a parameter, on the CPU."""
        return state.detach().cpu()

    def placed(self, state: Tensor, parameter: nn.Parameter) -> Tensor:
        """What `gathered` gave, as the optimizer keeps it. A copy."""
        return state.clone().to(parameter.device)


class Whole(Placement):
    """Every process holds all weights, and learns from its share of the rows (data parallel).

    What learns `beside` the module comes behind its weights.
    """

    def __init__(self, model: LocalModel, ranks: ProcessGroup, beside: Iterable[nn.Parameter] = ()) -> None:
        self.ranks = ranks
        self.masters = MasterWeights(chain((p for p in model.module.parameters() if p.requires_grad), beside))
        self._model = model

    def passes(self, lengths: Tensor, tokens: int, starts: Starts | None = None) -> list[Pass]:
        return cut(local_rows(self.ranks, lengths), lengths, tokens, starts)

    def forward(self, see: Callable[[LocalModel, Batch], Seen], batch: Batch) -> Seen:
        return see(self._model, batch)

    def finish_gradients(self, clip: float) -> float:
        if self.ranks.world > 1:
            for bucket in _buckets([cast(Tensor, parameter.grad) for parameter in self.parameters]):
                flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
                self.ranks.add(flat)
                for gradient, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                    gradient.copy_(part.view_as(gradient))
        return float(nn.utils.clip_grad_norm_(self.parameters, clip))

    @contextmanager
    def learning(self) -> Iterator[None]:
        yield
        if self.ranks.world > 1:
            self.ranks.agree("the sum of all weights", self.masters.total())


class Sharded(Placement):
    """Every process holds a part of each weight, gradient and moment; layers are put together as they are needed.

    What samples is the ordinary model with whole weights. They are given back while the shards learn, and gathered
    again afterwards, so both are never there at once.
    """

    def __init__(self, model: LocalModel, ranks: ProcessGroup) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.ranks = ranks
        self._model = model
        self._learner = LocalModel(copy.deepcopy(model.module), model.tokenizer)
        if model.recomputes:
            self._learner.recompute()
        mesh = init_device_mesh(model.device.type, (ranks.world,))
        self._root = _Root(self._learner.module)
        for layer in _layers(self._learner):
            fully_shard(layer, mesh=mesh)
        fully_shard(self._root, mesh=mesh)
        self.masters = MasterWeights(p for p in self._learner.module.parameters() if p.requires_grad)

    def passes(self, lengths: Tensor, tokens: int, starts: Starts | None = None) -> list[Pass]:
        """All processes make equally many, because each of them takes part in putting every layer together."""
        dealt = [cut(own, lengths, tokens, starts) for own in partition_rows(lengths, self.ranks.world)]
        missing = max(map(len, dealt)) - len(dealt[self.ranks.rank])
        return dealt[self.ranks.rank] + [Pass(torch.tensor([0]), int(lengths[0]), idle=True)] * missing

    def forward(self, see: Callable[[LocalModel, Batch], Seen], batch: Batch) -> Seen:
        return self._root(lambda: see(self._learner, batch))

    def finish_gradients(self, clip: float) -> float:
        with explain_lost_connection():
            for parameter in self.parameters:
                cast(Tensor, parameter.grad).mul_(self.ranks.world)  # the shards hold means over processes
            norm = nn.utils.clip_grad_norm_(self.parameters, clip)
            return float(cast(Any, norm).full_tensor())

    @contextmanager
    def learning(self) -> Iterator[None]:
        whole = list(self._model.module.parameters())
        for parameter in whole:
            parameter.data = parameter.data.new_empty(0)
        yield
        with explain_lost_connection(), torch.no_grad():
            for parameter, shard in zip(whole, self._learner.module.parameters(), strict=True):
                parameter.data = cast(Any, shard).full_tensor()

    def gathered(self, state: Tensor) -> Tensor:
        with explain_lost_connection():
            return (cast(Any, state).full_tensor() if hasattr(state, "full_tensor") else state).detach().cpu()

    def placed(self, state: Tensor, parameter: nn.Parameter) -> Tensor:
        from torch.distributed.tensor import distribute_tensor

        shard = cast(Any, parameter)
        return distribute_tensor(
            state.clone().to(shard.device), shard.device_mesh, shard.placements, src_data_rank=None
        )


class _Root(nn.Module):
    """The module around the model: its hooks put together what lies outside of the layers, the head included."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def __call__(self, see: Callable[[], Seen]) -> Seen:
        seen: list[Seen] = []
        tensors = super().__call__(see, seen)
        return cast(Any, type(seen[0]))(*tensors)

    def forward(self, see: Callable[[], Any], seen: list[Any]) -> tuple[Tensor, ...]:
        """The fields of what is seen, as the tuple of tensors that the hooks look for."""
        seen.append(see())
        return tuple(getattr(seen[0], field.name) for field in fields(seen[0]))


def place(model: LocalModel, ranks: ProcessGroup | None = None, *, parallel: str = "data") -> Placement:
    """parallel: "data" or "fsdp". One process holds everything, whatever it says."""
    ranks = ranks or Alone()
    return Sharded(model, ranks) if parallel == "fsdp" and ranks.world > 1 else Whole(model, ranks)


def cut(own: Tensor, lengths: Tensor, tokens: int, starts: Starts | None) -> list[Pass]:
    """The micro-batches of the rows `own`."""
    sharing = None if starts is None else starts.rows(own)
    if sharing is not None and sharing.shared:
        pieces = packed_batches(lengths[own], sharing, tokens)
    else:
        pieces = micro_batches(lengths[own], tokens)
    return [Pass(own[index], width) for index, width in pieces]


def micro_batches(lengths: Tensor, tokens: int) -> Iterator[tuple[Tensor, int]]:
    """Buckets rows of similar length: (row indices, width) with rows x width <= `tokens`, at least one row each.

    lengths (B,) int64: one past the last token that matters.
    """
    order = lengths.argsort(stable=True, descending=True).tolist()
    sizes: Sequence[int] = lengths.tolist()
    while order:
        width = sizes[order[0]]
        rows = max(1, tokens // max(width, 1))
        yield torch.tensor(order[:rows]), width
        order = order[rows:]


def _layers(model: LocalModel) -> list[nn.Module]:
    """The decoder's layers: the list of modules that is as long as the configuration says."""
    count = model.config.num_hidden_layers
    lists = [m for m in model.module.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    return list(lists[0]) if lists else []


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in order, together as many as one message takes (one at least), of one kind of number each."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        full = sum(other.numel() for other in bucket) + tensor.numel() > BUCKET
        if bucket and (full or bucket[0].dtype != tensor.dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
