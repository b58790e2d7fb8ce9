"""Whole runs as functions: their parameters are the flags of `forage train RECIPE`."""

from forage.recipes.countdown import countdown

RECIPES = {"countdown": countdown}
"""Every recipe by the name that `forage train` takes."""

__all__ = ["RECIPES", "countdown"]
