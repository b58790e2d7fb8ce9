"""Fitting a model to labelled examples: updates that can be interrupted, and where an unfinished training is kept."""
