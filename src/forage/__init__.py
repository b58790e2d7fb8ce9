"""Exploration in reinforcement learning of language-model reasoning."""
