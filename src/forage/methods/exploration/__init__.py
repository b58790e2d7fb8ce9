"""Exploration methods: each adds its parts to a recipe. One file, one paper."""
