"""The processes of a run, seen from one of them.

Every process does the same things in the same order with the same numbers; only what costs time is split. So whatever a
process needs to know about the others comes from one of the few calls here, and all of them must reach the same calls.
What crosses is bytes and tensors, never pickled objects.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from forage.core.errors import ForageError

Item = TypeVar("Item")

DONE, INTERRUPTED, REFUSED, FAILED, ENDED = range(5)
"""The status of a process after `together`: the first byte of what it sends."""


class RankLost(ForageError):
    """Another process of the run has ended or does not answer."""


class ProcessGroup(ABC):
    """`rank` is this process, 0 ... `world` - 1; `local_world` processes share its machine.

    While a process does work of its own (`together`), it counts as alone: nothing in that work may wait for others.
    `stopping`: this one was asked to end (Ctrl-C), and the others do not know yet. `stopped`: now all know.
    `finishing`: what has changed is being written down, on all of them, so that an end must wait.
    """

    rank: int = 0
    world: int = 1
    local_world: int = 1

    def __init__(self) -> None:
        self.alone = self.world == 1
        self.stopping = False
        self.stopped = False
        self.finishing = False

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    @abstractmethod
    def gather(self, content: bytes) -> list[bytes]:
        """What every process sends, in the order of the processes."""

    @abstractmethod
    def add(self, tensor: Tensor) -> None:
        """Replaces `tensor` by its sum over all processes, the same bits on each. Nothing happens while alone."""

    # ------------------------------------------------------------------------------------------------ built on these

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part: every `world`-th one."""
        return items if self.alone else items[self.rank :: self.world]

    def total(self, value: float) -> float:
        """The sum over all processes, in their order."""
        if self.alone:
            return value
        return sum(json.loads(content) for content in self.gather(json.dumps(value).encode()))

    def together(self, work: Callable[[], bytes]) -> list[bytes]:
        """Each process does its own work; all get all results, or all end alike.

        KeyboardInterrupt, ForageError or SystemExit of one is raised in all of them. Another exception stays what it
        is where it happened and becomes a ForageError elsewhere.
        """
        if self.alone:
            return [work()]
        error: BaseException | None = None
        try:
            ending = self.stopping and not self.finishing
            message = _encoded(INTERRUPTED) if ending else _encoded(DONE, self._apart(work))
        except BaseException as caught:
            error, message = caught, _verdict(caught)
        answers = self.gather(message)
        if error is not None and message[0] == FAILED:
            raise error
        for rank, answer in enumerate(answers):
            self._raise(rank, answer[0], answer[1:])
        return [answer[1:] for answer in answers]

    def only_first(self, work: Callable[[], Any]) -> Any:
        """Process 0 does the work; all get its result, a JSON value."""
        if self.world == 1:
            return work()
        return json.loads(self.together(lambda: json.dumps(work() if self.first else None).encode())[0])

    def pause(self) -> None:
        """A moment between steps. Raises KeyboardInterrupt in all processes where one of them was asked to stop."""
        if self.total(int(self.stopping)):
            self._stop()

    def agree(self, name: str, value: float) -> None:
        """Raises ForageError where the processes have different numbers, bit for bit, which must never be."""
        values = [] if self.alone else [content.decode() for content in self.gather(repr(value).encode())]
        if len(set(values)) > 1:
            raise ForageError(
                f"The processes of this run no longer agree ({name} is {', '.join(values)}), so their weights have "
                "diverged. Resume from the last checkpoint; if it happens again, are all machines of the same kind?"
            )

    def _apart(self, work: Callable[[], bytes]) -> bytes:
        self.alone = True
        try:
            return work()
        finally:
            self.alone = False

    def _stop(self) -> None:
        self.stopping, self.stopped = False, True
        raise KeyboardInterrupt

    def _raise(self, rank: int, status: int, content: bytes) -> None:
        if status == INTERRUPTED:
            self._stop()
        if status == ENDED:
            raise SystemExit(int(content))
        if status == REFUSED:
            raise ForageError(content.decode())
        if status == FAILED:
            raise ForageError(f"Process {rank + 1} of {self.world} failed: {content.decode()}")


class Alone(ProcessGroup):
    """One process. Nothing is split and nobody is waited for."""

    def gather(self, content: bytes) -> list[bytes]:
        return [content]

    def add(self, tensor: Tensor) -> None:
        pass


def local_rows(ranks: ProcessGroup, lengths: Tensor) -> Tensor:
    """The rows of this process, (rows,) int64: dealt from the longest to the shortest, there and back again.

    lengths (B,) int64. Every row belongs to one process; the totals differ by less than the longest row.
    """
    if ranks.alone:
        return torch.arange(len(lengths))
    return partition_rows(lengths, ranks.world)[ranks.rank]


def partition_rows(lengths: Tensor, world: int) -> list[Tensor]:
    """The rows of every process, as `deal` gives them."""
    order = lengths.argsort(stable=True, descending=True)
    place = torch.arange(len(order))
    lap, seat = place // world, place % world
    owner = torch.where(lap % 2 == 0, seat, world - 1 - seat)
    return [order[owner == rank] for rank in range(world)]


def _encoded(status: int, content: bytes = b"") -> bytes:
    return bytes([status]) + content


def _verdict(error: BaseException) -> bytes:
    if isinstance(error, KeyboardInterrupt):
        return _encoded(INTERRUPTED)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return _encoded(ENDED, str(code).encode())
    if isinstance(error, ForageError):
        return _encoded(REFUSED, str(error).encode())
    return _encoded(FAILED, f"{type(error).__name__}: {error}".encode())
