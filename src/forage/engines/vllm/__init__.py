"""Rollouts by vLLM: in a process beside the trainer, or on a server. The trainer's weights are handed over as they change."""
