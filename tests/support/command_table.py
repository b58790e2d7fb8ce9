"""Every command with its flags, whatever kind of command it is."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forage.cli import COMMANDS, MODULES, RECIPE_COMMANDS
from forage.cli.flags import Flag, flags_of, summary_of
from forage.cli.recipe_flags import recipe_summary


@dataclass(frozen=True)
class Command:
    """`words` are what is typed behind `forage`. `function` does the work."""

    words: str
    function: Callable[..., Any]
    flags: tuple[Flag, ...]
    summary: str

    def flag(self, name: str) -> Flag | None:
        return next((flag for flag in self.flags if flag.name == name), None)


def all_commands() -> Mapping[str, Command]:
    """By their words, parts of a command and recipes included: `eval`, `prm train`, `train countdown`."""
    commands: dict[str, Command] = {}
    for name in COMMANDS:
        module = importlib.import_module(f"forage.cli.{MODULES.get(name, name)}")
        if name in RECIPE_COMMANDS:
            from forage.recipes import RECIPES

            for recipe, build in RECIPES.items():
                flags = tuple(module.flags_of_recipe(build))
                words = f"{name} {recipe}"
                commands[words] = Command(words, module.run, flags, recipe_summary(name, build))
            continue
        parts = getattr(module, "SUBCOMMANDS", None)
        functions = {f"{name} {part}": work for part, work in parts.items()} if parts else {name: module.COMMAND}
        for words, function in functions.items():
            commands[words] = Command(words, function, tuple(flags_of(function)), summary_of(function))
    return commands
