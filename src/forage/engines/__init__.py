"""The outside world: models, samplers, optimizers and verifier processes, behind the seams of `protocols.py`."""
