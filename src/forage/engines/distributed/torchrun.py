"""Processes that `torchrun` has started, over PyTorch's process groups: gloo between CPUs, NCCL between GPUs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from forage.core.errors import ForageError
from forage.engines.distributed.process_group import Alone, ProcessGroup, RankLost

PATIENCE = timedelta(minutes=30)
"""How long a process waits for one that is alive and does not come. One that has died is noticed at once."""

BUCKET = 1 << 24
"""Numbers that are added in one message."""

LOST = (
    "Another process of this run has ended, or the run was asked to end, so this one stops as well. What was saved is "
    "intact: start the same number of processes, or another, with `-m forage resume` and the run directory."
)


class Torchrun(ProcessGroup):
    """All processes of a `torchrun`. Made by `open_group`."""

    def __init__(self, store: Store) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.local_world = int(os.environ.get("LOCAL_WORLD_SIZE", self.world))
        self._store = store
        super().__init__()

    def gather(self, content: bytes) -> list[bytes]:
        if self.alone:
            return [content]
        with explain_lost_connection():
            sizes = torch.zeros(self.world, dtype=torch.int64)
            sizes[self.rank] = len(content)
            dist.all_reduce(sizes)
            longest = int(sizes.max())
            own = torch.zeros(longest, dtype=torch.uint8)
            own[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else own[:0]
            parts = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.world)]
            if longest:
                dist.all_gather(parts, own)
        return [part[:size].numpy().tobytes() for part, size in zip(parts, sizes.tolist(), strict=True)]

    def add(self, tensor: Tensor) -> None:
        if self.alone:
            return
        with explain_lost_connection():
            for part in tensor.view(-1).split(BUCKET):
                dist.all_reduce(part)

    def claims_error(self) -> bool:
        """Whether this process is the first that wants to say why the run ends: one sentence is enough."""
        try:
            return self._store.add("forage/spoken", 1) == 1
        except RuntimeError:  # the store has gone with the process that kept it
            return True


@contextmanager
def open_group() -> Iterator[ProcessGroup]:
    """The processes that this one was started with, for the time of the block; `Alone` outside of `torchrun`.

    A ForageError leaves the block in one process only; the others exit silently with code 2.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not dist.is_available():
        yield Alone()
        return
    ranks = _start_group()
    previous = signal.signal(signal.SIGTERM, _on_termination)
    try:
        yield ranks
        ranks.gather(b"")  # nobody leaves while another still talks to it
    except ForageError:
        if not ranks.claims_error():
            raise SystemExit(2) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        with suppress(RuntimeError):
            dist.destroy_process_group()


@contextmanager
def ensure_group(ranks: ProcessGroup | None) -> Iterator[ProcessGroup]:
    """The given processes, or those that `open_group` finds."""
    if ranks is not None:
        yield ranks
        return
    with open_group() as group:
        yield group


@contextmanager
def explain_lost_connection() -> Iterator[None]:
    """Turns the errors of a broken connection into a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise RankLost(LOST) from error


def _start_group() -> Torchrun:
    local = int(os.environ.get("LOCAL_RANK", "0"))
    backend = "gloo"
    if torch.cuda.is_available() and local < torch.cuda.device_count():
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, rank, world = next(iter(rendezvous("env://", timeout=PATIENCE)))
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ForageError(
            f"The processes of this run could not find each other ({str(error).splitlines()[0]}). Start them with "
            "`torchrun --nproc-per-node N -m forage ...`."
        ) from error
    return Torchrun(store)


def _on_termination(number: int, frame: FrameType | None) -> None:
    """`torchrun` ends all processes when one has failed."""
    raise RankLost(LOST)
