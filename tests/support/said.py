"""What a command has printed, as tests read it."""

from collections.abc import Callable

Said = Callable[[], tuple[str, str]]
"""Standard output as it is, and standard error with its lines joined, since it was last asked."""
