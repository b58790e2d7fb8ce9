"""Sequences that begin alike share what they begin with: a start lies once beside all of its responses.

A packed row is one line of tokens without padding: starts of equal length, their responses one after another, the
next such section, and so on. Each response goes on at its start's end: its positions do, and it attends to the start
and to itself alone. The gradient of a start is then the sum over its responses, as it is when every response carries a
copy.

Axes: B sequences, T tokens, N tokens of a packed row, R responses of a section.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from forage.core.batch import Batch


@dataclass(frozen=True, slots=True)
class Starts:
    """Where sequences begin to be learned: `number` (B,) int64, the same for equal starts; `length` (B,) int64."""

    number: Tensor
    length: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """The start of a sequence is what comes before its first learned token."""
        length = batch.loss_mask.int().argmax(dim=1).cpu()
        tokens = batch.tokens.cpu().numpy()
        known: dict[bytes, int] = {}
        keys = [tokens[row, :end].tobytes() for row, end in enumerate(length.tolist())]
        return cls(torch.tensor([known.setdefault(key, len(known)) for key in keys], dtype=torch.int64), length)

    @property
    def shared(self) -> bool:
        """Whether any two sequences have the same start."""
        return len(self.number.unique()) < len(self.number)

    def rows(self, index: Tensor) -> "Starts":
        return Starts(self.number[index], self.length[index])


SECTION = 2048
"""Starts of equal length attend together while their responses take at most so many places, the gaps counted."""


@dataclass(frozen=True, slots=True)
class PackedSection:
    """Of a packed row: `starts` starts of equal length from `first` to `responses`, their responses to `end`.

    `rows` responses of at most `width` tokens; `owner` (R,) int64 says which of the starts each goes on from, and is
    None where there is one. `place` (end - responses,) int64 says where each of their tokens lies when they are laid
    out as (rows, width), and is None where all are equally long.
    """

    first: int
    responses: int
    end: int
    rows: int
    width: int
    place: Tensor | None
    starts: int = 1
    owner: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Packing:
    """A packed row: `tokens` and `positions` (1, N) int64. `scores` (tokens learned,) int64: the place in the row whose
    hidden state scores each learned token of the batch, in the order of `batch.loss_mask.nonzero()`.
    """

    tokens: Tensor
    positions: Tensor
    sections: tuple[PackedSection, ...]
    scores: Tensor


def pack(batch: Batch, starts: Starts) -> Packing:
    """What scores the learned tokens of `batch`, each start once. The last token of a sequence scores nothing."""
    tokens, loss_mask, device = batch.tokens.cpu(), batch.loss_mask.cpu(), batch.tokens.device
    lengths = batch.lengths.tolist()
    begins, ends = torch.zeros(len(lengths), dtype=torch.int64), torch.zeros(len(lengths), dtype=torch.int64)
    parts: list[Tensor] = []
    positions: list[Tensor] = []
    sections: list[PackedSection] = []
    first = 0
    for context, families in _together(starts, lengths):
        responses = first + context * len(families)
        members = [row for family in families for row in family]
        counts = [lengths[row] - 1 - context for row in members]
        parts += [tokens[family[0], :context] for family in families]
        parts += [tokens[row, context : lengths[row] - 1] for row in members]
        positions += [torch.arange(context)] * len(families) + [torch.arange(context, context + n) for n in counts]
        for number, family in enumerate(families):
            ends[family] = first + context * (number + 1) - 1
        begins[members] = responses + torch.tensor([0, *counts[:-1]]).cumsum(0)
        sections.append(_section(first, responses, counts, [len(family) for family in families], device))
        first = responses + sum(counts)
    behind = torch.arange(tokens.shape[1]) - starts.length[:, None]
    place = torch.where(behind == 0, ends[:, None], begins[:, None] + behind - 1)
    return Packing(
        tokens=torch.cat(parts)[None].to(device),
        positions=torch.cat(positions)[None].to(device),
        sections=tuple(sections),
        scores=place[loss_mask].to(device),
    )


def packed_batches(lengths: Tensor, starts: Starts, tokens: int) -> Iterator[tuple[Tensor, int]]:
    """Cuts rows into passes that share starts: (row indices, width), packed at most `tokens` tokens, one row at least.

    lengths (B,) int64: one past the last token that matters. Responses of a start stay together where they fit; where
    they do not, they are dealt over several passes that each hold the start again, long ones beside long ones.
    """
    sizes = lengths.tolist()
    held: list[int] = []
    used = 0
    for members in _members(starts.number):
        context = int(starts.length[members[0]])
        for chunk in _dealt(sorted(members, key=lambda row: -sizes[row]), context, sizes, tokens):
            cost = context + sum(max(0, sizes[row] - context) for row in chunk)
            if held and used + cost > tokens:
                yield torch.tensor(held), max(sizes[row] for row in held)
                held, used = [], 0
            held += chunk
            used += cost
    if held:
        yield torch.tensor(held), max(sizes[row] for row in held)


def _dealt(members: list[int], context: int, sizes: list[int], tokens: int) -> list[list[int]]:
    """The responses of one start in as few parts as `tokens` allows, about equally many in each."""
    room = tokens - context
    longest = max(1, sizes[members[0]] - context)
    total = sum(max(0, sizes[row] - context) for row in members)
    parts = len(members) if room < longest else max(1, math.ceil(total / room))
    while parts < len(members):
        cut = [part.tolist() for part in torch.tensor(members).tensor_split(parts)]
        if all(sum(max(0, sizes[row] - context) for row in part) <= room for part in cut):
            return cut
        parts += 1
    return [[row] for row in members]


def _together(starts: Starts, lengths: list[int]) -> Iterator[tuple[int, list[list[int]]]]:
    """What each section holds: how long its starts are, and the rows of each of them that go on."""
    by_context: dict[int, list[list[int]]] = {}
    for members in _members(starts.number):
        if family := [row for row in members if lengths[row]]:
            by_context.setdefault(int(starts.length[family[0]]), []).append(family)
    for context, families in by_context.items():
        held: list[list[int]] = []
        rows = width = 0
        for family in families:
            wider = max(width, *(lengths[row] - 1 - context for row in family))
            if held and (rows + len(family)) * wider > SECTION:
                yield context, held
                held, rows, wider = [], 0, max(lengths[row] - 1 - context for row in family)
            held.append(family)
            rows, width = rows + len(family), wider
        yield context, held


def _section(first: int, responses: int, counts: list[int], sizes: list[int], device: torch.device) -> PackedSection:
    """counts: the tokens of each response; sizes: the responses of each start."""
    rows, width, total = len(counts), max(counts), sum(counts)
    place = owner = None
    if total < rows * width:
        held = torch.arange(width) < torch.tensor(counts)[:, None]
        place = held.flatten().nonzero().squeeze(1).to(device)
    if len(sizes) > 1:
        owner = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)).to(device)
    return PackedSection(first, responses, responses + total, rows, width, place, len(sizes), owner)


def _members(number: Tensor) -> list[list[int]]:
    """The rows of each start, starts in the order in which they first appear."""
    by_start: dict[int, list[int]] = {}
    for row, start in enumerate(number.tolist()):
        by_start.setdefault(start, []).append(row)
    return list(by_start.values())
