"""Algorithms: each sets the credit and the loss of a recipe. One file, one paper."""
