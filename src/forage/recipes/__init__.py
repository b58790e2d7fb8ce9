"""Whole runs as functions: their parameters are the flags of `forage train RECIPE`."""

from forage.recipes.bandit import bandit
from forage.recipes.code import code
from forage.recipes.colouring import colouring
from forage.recipes.countdown import countdown
from forage.recipes.dialogue import dialogue
from forage.recipes.gym import gym
from forage.recipes.lock import lock
from forage.recipes.lookup import lookup
from forage.recipes.modebench import modebench
from forage.recipes.table import table
from forage.recipes.two_ways import two_ways

RECIPES = {
    "countdown": countdown,
    "colouring": colouring,
    "two_ways": two_ways,
    "lock": lock,
    "bandit": bandit,
    "lookup": lookup,
    "code": code,
    "dialogue": dialogue,
    "gym": gym,
    "modebench": modebench,
    "table": table,
}
"""Every recipe by the name that `forage train` takes."""

__all__ = [
    "RECIPES",
    "bandit",
    "code",
    "colouring",
    "countdown",
    "dialogue",
    "gym",
    "lock",
    "lookup",
    "modebench",
    "table",
    "two_ways",
]
