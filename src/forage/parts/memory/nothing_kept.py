"""Why a replay has kept no state, in a sentence."""

from forage.parts.memory.promising import Looked


def why_nothing(looked: Looked, *, responses: str, window: tuple[float, float], margin: float) -> str:
    """What kept the states out, of all that was looked at while states were collected, and what to do.

    `responses` says which were looked for: "wrong" or "right".
    """
    return f"Replay has kept no state, so there is nothing to replay: {_cause(looked, responses, window, margin)}"


def _cause(looked: Looked, responses: str, window: tuple[float, float], margin: float) -> str:
    low, high = window
    if not looked.responses:
        return f"no judged response to a fresh problem was {responses}. Collect for longer."
    if not looked.ends:
        return (
            f"none of {looked.responses} {responses} responses has a step end between {low:.0%} and {high:.0%} of its "
            "tokens. Say where the steps of a response end (`step_ends`)."
        )
    behind = f"{looked.answered} of {looked.ends} step ends come behind the mark of an answer"
    beyond = f"{looked.skipped} leave no room for a token below the limit of a response"
    if not looked.valued:
        return f"{behind}, and {beyond}. Look for step ends elsewhere (`step_ends`), or raise `max_tokens`."
    return (
        f"none of {looked.valued} step ends was worth {margin:g} more than its problem ({behind}, {beyond}). Lower "
        "rrl's margin, look at more traces, or collect for longer."
    )
