"""What a process model reads: the question and the texts of the steps, the same for labels, scores and rewards."""

from collections.abc import Sequence


def step_texts(pieces: Sequence[str], step_ends: Sequence[int]) -> list[tuple[int, str]]:
    """(exclusive end, text) of every step that has a text; a step without one (the end-of-text token) is left out."""
    texts: list[tuple[int, str]] = []
    begin = 0
    for end in step_ends:
        text = "".join(pieces[begin:end])
        if text.strip():
            texts.append((end, text))
        begin = end
    return texts
