"""How far may the policy move? Surrogates, what they are averaged over, and penalties beside them."""
