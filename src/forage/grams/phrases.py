"""A list written by hand, by role: for models that reason in English before anything has been mined.

HICRA (arXiv 2509.03646, appendix) prints a list with these roles. The phrases below are ours, in the same spirit; they
are not the paper's list, and results with them are not results of the paper.
"""

from collections.abc import Mapping
from types import MappingProxyType

PHRASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "deduction": (
            "it follows that",
            "from this we see",
            "this means that",
            "which tells us that",
            "we may conclude that",
            "because of this",
            "as a consequence",
            "that leaves us with",
            "remember that",
            "by the same argument",
        ),
        "branching": (
            "let's try another",
            "let us try another",
            "let me try another",
            "another way to",
            "another approach",
            "a different approach",
            "suppose instead that",
            "what happens if",
            "there are two cases",
            "split into cases",
            "in the other case",
            "alternatively we can",
            "an easier way",
        ),
        "backtracking": (
            "wait that is wrong",
            "wait that's wrong",
            "that can't be right",
            "that cannot be right",
            "i made a mistake",
            "let me go back",
            "let's go back",
            "start over",
            "this does not work",
            "this doesn't work",
            "scratch that",
            "on reflection",
        ),
        "checking": (
            "let me check",
            "let's check",
            "let us check",
            "double check",
            "check whether this",
            "to make sure",
            "substituting back",
            "is that consistent",
            "sanity check",
            "let me verify",
            "let's verify",
        ),
        "goal setting": (
            "we are asked to",
            "we want to find",
            "our goal is",
            "the first step is",
            "the next step is",
            "it is enough to",
            "it suffices to",
            "the main idea is",
            "first we need to",
            "what we know is",
            "we are looking for",
        ),
    }
)
"""Role -> phrases, most of them of three words and more, since short ones mark a large share of any text."""

SHORT_PHRASES: tuple[str, ...] = ("wait", "hmm", "alternatively", "instead", "therefore", "hence", "so", "but", "now")
"""One-word entries in the spirit of the shortest of the paper's. Off by default: they multiply the marked share."""
