"""Comparisons: methods by seeds by controls."""
