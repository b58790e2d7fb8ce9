"""Names that people used before, and what they are called now: commands, flags of commands, settings of recipes."""

from collections.abc import Mapping, Sequence

SETTINGS: Mapping[str, str] = {"problems": "groups", "siblings": "group_size", "test_data": "test"}
"""Keywords of recipes."""

COMMANDS: Mapping[str, str] = {"reward": "rm", "train problems": "train table", "bench problems": "bench table"}
"""Commands, by all their words."""

_RECIPE_FLAGS = {old.replace("_", "-"): new.replace("_", "-") for old, new in SETTINGS.items()}

FLAGS: Mapping[str, Mapping[str, str]] = {
    "train": _RECIPE_FLAGS,
    "bench": _RECIPE_FLAGS,
    "eval": {"workers": "verifier-workers"},
    "verify": {"workers": "verifier-workers"},
    "analyze": {"words": "word-classes"},
    "grams mine": {"n": "words"},
    "grams show": {"clusters": "max-clusters", "examples": "max-examples"},
    "prm label": {"m": "continuations"},
    "prm train": {"m": "continuations"},
    "prm score": {"how": "aggregate"},
    "prm rank": {"how": "aggregate", "n": "k"},
    "prm search": {"how": "aggregate"},
    "rm collect": {"k": "responses"},
}
"""Flags, by the command that had them."""


def renamed(arguments: Sequence[str]) -> str | None:
    """A sentence that names today's spelling of the first old name in a command line; None where there is none."""
    for words in (1, 2):
        old = " ".join(arguments[:words])
        if old in COMMANDS:
            return f"`forage {old}` is now `forage {COMMANDS[old]}`."
    for words in (1, 2):
        command = " ".join(arguments[:words])
        for argument in arguments[words:]:
            if argument == "--":
                break
            new = FLAGS.get(command, {}).get(argument.removeprefix("--").partition("=")[0].replace("_", "-"))
            if new and argument.startswith("--"):
                return f"--{argument.removeprefix('--').partition('=')[0]} is now --{new}."
    return None
