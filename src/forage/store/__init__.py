"""Run directories, checkpoints and rollout tables: what a run leaves on the disk, and how it survives a crash."""
