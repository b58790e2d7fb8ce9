"""What the rollouts of a step show: the numbers in metrics.jsonl."""
