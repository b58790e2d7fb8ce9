"""Whole runs as functions: their parameters are the flags of `forage train RECIPE`."""

from forage.recipes.countdown import countdown
from forage.recipes.problems import problems

RECIPES = {"countdown": countdown, "problems": problems}
"""Every recipe by the name that `forage train` takes."""

__all__ = ["RECIPES", "countdown", "problems"]
