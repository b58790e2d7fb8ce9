import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from forage.core.interrupts import InterruptGate


@pytest.fixture(autouse=True)
def _interrupts_are_heard() -> Iterator[None]:
    """Whoever starts the tests in the background may have told them to ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_open_gate_lets_interrupts_through() -> None:
    gate = InterruptGate()
    with gate.listening(), pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_closed_gate_holds_interrupts_until_the_change_is_recorded() -> None:
    gate, done = InterruptGate(), []
    with gate.listening():
        with gate:
            for _ in range(10):
                interrupt()
            done.append("changed")
        done.append("recorded")
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            gate.reopen()
    assert done == ["changed", "recorded"]


def test_after_the_first_interrupt_nothing_disturbs_what_is_written_down() -> None:
    gate, done = InterruptGate(), []

    def work() -> None:
        try:
            interrupt()
        finally:
            for _ in range(10):
                interrupt()
            done.append("saved")

    with gate.listening(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["saved"]


def test_a_lost_interrupt_comes_again_at_the_next_look_or_when_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = InterruptGate()
    with gate.listening():
        with suppress(KeyboardInterrupt):
            interrupt()  # as by a library that catches everything
        with pytest.raises(KeyboardInterrupt):
            gate.reopen()
        interrupt()
        monkeypatch.setattr("forage.core.interrupts.PATIENCE", 0.0)
        time.sleep(0.01)
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_what_an_inner_gate_has_heard_counts_outside() -> None:
    outer, inner = InterruptGate(), InterruptGate()
    with outer.listening():
        with suppress(KeyboardInterrupt), inner.listening():
            interrupt()
        interrupt()  # while the work is being closed: not a second exception
        with pytest.raises(KeyboardInterrupt):
            outer.reopen()


def test_an_interrupt_after_the_last_look_is_not_lost() -> None:
    gate = InterruptGate()
    with pytest.raises(KeyboardInterrupt), gate.listening(), gate:
        interrupt()


def test_a_gate_knows_that_a_change_was_broken_off() -> None:
    gate = InterruptGate()
    with suppress(KeyboardInterrupt), gate:
        raise KeyboardInterrupt  # not from a signal: a part of the change itself
    assert gate.broken


def test_the_previous_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)
    with InterruptGate().listening():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
