"""Training: the recipe, one step on one page (step.py), the loop around it, and evaluation."""
