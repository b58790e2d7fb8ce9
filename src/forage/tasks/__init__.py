"""Families of problems and how their answers are checked."""
