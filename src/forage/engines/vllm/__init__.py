"""Rollouts by vLLM, beside the trainer or on a server. The trainer hands its weights over as they change."""
