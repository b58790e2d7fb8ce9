"""The outside world: models, samplers, optimisers and verifier processes, behind the seams of `protocols.py`."""
