"""The language in which Countdown is asked and answered: words, prompts and steps.

A prompt is always eight words: `use 6 4 8 10 to make 26`, and with three numbers `use 6 4 and 8 to make 20`.

A response is a program for a stack machine. A state is the numbers at hand and a goal; the root state is the problem.
Each step begins with its keyword and reaches to the next keyword:

    try a op b = c rest    Forward: combines two numbers at hand, `op` one of + - *. `c rest` lists the numbers at hand
                           afterwards: the result, then the unused ones. Pushes that state; the goal stays.
    let g op d = h rest    Backward: sets a number d at hand aside, to be used last. `let g - d = h` plans to add d
                           (h + d = g) and `let g + d = h` plans to subtract it (h - d = g). `rest` lists the numbers
                           left without d. Pushes that state; its goal is h.
    check x g yes|no       Says whether the one number left, x, is the goal g. Changes nothing.
    back                   Leaves the current state: forgets the last step that still stands, and every check made
                           after it. At the root it only forgets the checks.
    wait                   Back to the root: forgets everything.
    so                     Commits to what stands, and ends the response.

Example, for `use 6 4 8 10 to make 26`:

    try 8 - 6 = 2 4 10 try 10 * 2 = 20 4 try 20 + 4 = 24 check 24 26 no wait
    try 6 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 check 26 26 yes so

and the same solution found from its end:

    let 26 - 10 = 16 6 4 8 try 6 * 4 = 24 8 try 24 - 8 = 16 check 16 16 yes so

What stands when `so` is written is the surviving path. Whatever was forgotten, right or wrong, well formed or not, is
without consequence.
"""

from collections.abc import Sequence

from forage.core.errors import ForageError
from forage.tasks.countdown.problems import OPERATORS, Puzzle

LARGEST_WORD = 60
NUMBERS = {str(n): n for n in range(LARGEST_WORD + 1)}
STRATEGY = ("try", "let", "check", "wait", "back")
COMMIT = "so"
KEYWORDS = frozenset((*STRATEGY, COMMIT))
PAD, END = "<pad>", "<eos>"
WORDS = (PAD, END, *NUMBERS, *OPERATORS, "=", *STRATEGY, COMMIT, "yes", "no", "use", "and", "to", "make")
"""The whole language, 79 words. The position of a word is its token."""

PROMPT_WORDS = 8


def prompt_of(puzzle: Puzzle) -> str:
    """The question, always eight words."""
    numbers = [str(number) for number in puzzle.numbers]
    if len(numbers) == 3:
        numbers.insert(2, "and")
    return f"use {' '.join(numbers)} to make {puzzle.target}"


def puzzle_of(prompt: object) -> Puzzle:
    """Reads a prompt. Raises ForageError if it is not one of this task's."""
    words = prompt.split() if isinstance(prompt, str) else []
    if len(words) == PROMPT_WORDS and words[0] == "use" and words[5:7] == ["to", "make"]:
        numbers = [NUMBERS.get(word) for word in words[1:5] if word != "and"]
        target = NUMBERS.get(words[7])
        known = [number for number in numbers if number is not None]
        if target is not None and len(known) == len(numbers):
            return Puzzle(tuple(known), target)
    raise ForageError(f"This is not a Countdown prompt such as 'use 6 4 and 8 to make 20': {prompt!r}.")


def step_starts(words: Sequence[str]) -> list[int]:
    """Positions of the keywords."""
    return [position for position, word in enumerate(words) if word in KEYWORDS]


def step_ends(pieces: Sequence[str]) -> tuple[int, ...]:
    """Exclusive ends of the steps of a response given word by word; words before the first keyword are a step too."""
    if not pieces:
        return ()
    return (*(start for start in step_starts([piece.strip() for piece in pieces]) if start), len(pieces))
