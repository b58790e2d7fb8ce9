"""Tiny base models, built and cached on this machine."""
