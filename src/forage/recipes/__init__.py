"""Whole runs as functions: their parameters are the flags of `forage train RECIPE`."""

from forage.recipes.code import code
from forage.recipes.countdown import countdown
from forage.recipes.problems import problems

RECIPES = {"countdown": countdown, "code": code, "problems": problems}
"""Every recipe by the name that `forage train` takes."""

__all__ = ["RECIPES", "code", "countdown", "problems"]
