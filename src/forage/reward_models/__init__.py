"""Reward models from preferences: training, averaging, scoring."""
