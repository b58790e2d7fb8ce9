import os
import signal

import pytest

from forage.core.interrupts import InterruptGate


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_open_gate_lets_interrupts_through() -> None:
    gate = InterruptGate()
    with gate.listening(), pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_closed_gate_holds_an_interrupt_until_the_change_is_recorded() -> None:
    gate, done = InterruptGate(), []
    with gate.listening():
        with gate:
            interrupt()
            done.append("changed")
        done.append("recorded")
        with pytest.raises(KeyboardInterrupt):
            gate.reopen()
        gate.reopen()  # what was held back is raised once
    assert done == ["changed", "recorded"]


def test_a_second_interrupt_goes_through() -> None:
    gate = InterruptGate()
    with gate.listening(), gate:
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_the_previous_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)
    with InterruptGate().listening():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
