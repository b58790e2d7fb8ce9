"""`python -m forage` is the command line, and so is the command `forage`."""

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from forage.core.interrupts import InterruptGate


def start(commands: Sequence[Sequence[str] | None] = (None,)) -> NoReturn:
    """Runs the command line as this whole process: Ctrl-C is handled from here on, and ignored at the very end.

    Several commands run one after another, until one fails; None is what was typed.
    """
    signal.signal(signal.SIGINT, InterruptGate())
    try:
        from forage.cli import main

        code = next((code for command in commands if (code := main(command))), 0)
    except KeyboardInterrupt:
        print("forage: interrupted.", file=sys.stderr)
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done, and the interpreter only tidies up
    sys.exit(code)


if __name__ == "__main__":
    start()
