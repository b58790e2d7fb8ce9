"""Ctrl-C at any moment, but never in the middle of a change."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class InterruptGate:
    """Holds SIGINT back while weights and memory change; lets it through as KeyboardInterrupt everywhere else.

    `with gate.listening():` surrounds the work. `with gate:` closes the gate, and it stays closed until `reopen`, so
    that a change and the record of it are never separated. A second Ctrl-C while one is held back goes through.
    """

    def __init__(self) -> None:
        self._closed = False
        self._held = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles SIGINT inside the block. Outside the main thread, where Python delivers no signals, does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def __enter__(self) -> None:
        self._closed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stays closed: `reopen` comes after the change has been recorded."""

    def reopen(self) -> None:
        """Lets interrupts through again. Raises KeyboardInterrupt where one was held back."""
        self._closed = False
        if self._held:
            self._held = False
            raise KeyboardInterrupt

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._closed or self._held:
            raise KeyboardInterrupt
        self._held = True
