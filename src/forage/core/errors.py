"""The one exception that is written for a person.

Everything a user can get wrong ends in a `ForageError` whose message is a sentence: what was wrong, where, and what to
do. The command line prints it without a traceback and exits with code 2. Anything else that is raised is a bug.
"""


class ForageError(Exception):
    """A mistake in the input, explained. `str(error)` is the sentence that the user reads."""


class DiskFull(ForageError):
    """There was no room for what had to be written; what was there before is intact."""
