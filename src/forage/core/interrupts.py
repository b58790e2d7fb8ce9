"""Ctrl-C at any moment and any number of times, but never in the middle of a change.

The first interrupt ends the work; whatever is written down after it is not disturbed by those that follow. SIGTERM and
SIGQUIT are left as they are: a process that must end at once can be ended by them, as by a kill.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""

PATIENCE = 10.0
"""Seconds after which an interrupt is raised again where the first one seems to have been lost on its way up."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C has ended the work; `str(error)` is the sentence that says what was saved and how to go on."""


class InterruptGate:
    """Holds SIGINT back while weights and memory change; lets the first one through as KeyboardInterrupt elsewhere.

    `with gate.listening():` surrounds the work. `with gate:` closes the gate, and it stays closed until `reopen`, so
    that a change and the record of it are never separated. `broken`: an error ended a change half-way.

    Gates may be nested: what an inner one has heard counts for the outer one too.
    """

    def __init__(self) -> None:
        self.asked = False
        self.broken = False
        self._closed = False
        self.raised = -math.inf  # when, by `time.monotonic`

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT inside the block. Outside the main thread, where Python delivers no signals, does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.getsignal(signal.SIGINT)
        try:
            signal.signal(signal.SIGINT, self)
            yield
        finally:
            self._closed = True  # an exception now would leave this gate in charge for ever
            if isinstance(previous, InterruptGate):
                previous.asked |= self.asked
                previous.raised = max(previous.raised, self.raised)
            signal.signal(signal.SIGINT, previous)
            if self.asked and self.raised < 0 and not isinstance(previous, InterruptGate):
                signal.raise_signal(signal.SIGINT)  # it came after the last look: as if it had come now

    def __enter__(self) -> None:
        self._closed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stays closed: `reopen` comes after the change has been recorded."""
        self.broken = self.broken or error is not None

    def reopen(self) -> None:
        """Lets interrupts through again. Raises KeyboardInterrupt where one has come, whoever lost it meanwhile."""
        self._closed = False
        if self.asked:
            self._raise()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.asked = True
        if not self._closed and time.monotonic() - self.raised > PATIENCE:
            self._raise()

    def _raise(self) -> None:
        self.raised = time.monotonic()
        raise KeyboardInterrupt
