"""Ctrl-C for several processes: all of them stop at the same place, with the same state, and save once."""

import time
from types import FrameType

from forage.core.interrupts import InterruptGate
from forage.engines.distributed.process_group import ProcessGroup


class SharedGate(InterruptGate):
    """An interrupt goes through at once in the work that a process does on its own, and at the next pause elsewhere.

    Everywhere else a process that left would keep the others waiting. `torchrun` passes on the interrupt that the
    terminal has sent already, so only the first one counts.
    """

    def __init__(self, ranks: ProcessGroup) -> None:
        super().__init__()
        self._ranks = ranks
        ranks.stopping = ranks.stopped = ranks.finishing = False

    def __enter__(self) -> None:
        super().__enter__()
        self._ranks.finishing = True

    def reopen(self) -> None:
        self._closed = self._ranks.finishing = False
        self._ranks.pause()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._ranks.stopping or self._ranks.stopped:
            return
        self._ranks.stopping = self.asked = True
        self.raised = time.monotonic()  # now or at the next pause
        if self._ranks.alone and not self._closed:  # at work of its own, which changes nothing
            raise KeyboardInterrupt


def interrupt_gate(ranks: ProcessGroup) -> InterruptGate:
    """The gate of a run."""
    return InterruptGate() if ranks.world == 1 else SharedGate(ranks)
