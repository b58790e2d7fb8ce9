"""The words of the tiny code world: pieces of Python and small numbers. Joined, they are the program."""

import random
from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from forage.tasks.code.functions import LARGEST, LINES, SHOWN, Function, Line, draw_program

PAD, END = "<pad>", "<eos>"
STARTER = "def f(x):\n"
ASSIGN, RETURN = "    x = ", "    return x\n"
INFIX = {"+": "x + ", "-": "x - ", "*": "x * ", "//": "x // ", "%": "x % "}
CALLS = {"max": "max(x, ", "min": "min(x, "}
EXAMPLE, GIVES, NEWLINE, CLOSE = "# f(", ") = ", "\n", ")\n"
WORDS = (PAD, END, *map(str, range(LARGEST + 1)), STARTER, ASSIGN, RETURN, *INFIX.values(), *CALLS.values())
WORDS = (*WORDS, EXAMPLE, GIVES, NEWLINE, CLOSE)
"""The whole language. The position of a word is its token."""

TOKEN_OF = {word: token for token, word in enumerate(WORDS)}

SLIPS = 0.35
"""Share of written programs in which one line is another than it should be: the base model is unreliable."""


def build_tokenizer() -> Tokenizer:
    """Text is cut into the longest words; decoding joins them. Text in another language is refused."""
    tokenizer = Tokenizer(models.WordLevel(dict(TOKEN_OF)))
    longest_first = sorted(WORDS, key=len, reverse=True)
    escaped = "|".join("".join(f"\\{c}" if c in "()+*|." else c for c in word) for word in longest_first)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(escaped), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(PAD, special=True), AddedToken(END, special=True)])
    return tokenizer


def prompt_words(function: Function) -> list[str]:
    words = []
    for x in SHOWN:
        words += [EXAMPLE, str(x), GIVES, str(function.results[x]), NEWLINE]
    return [*words, STARTER]


def line_words(line: Line) -> list[str]:
    if line.operation in CALLS:
        return [ASSIGN, CALLS[line.operation], str(line.constant), CLOSE]
    return [ASSIGN, INFIX[line.operation], str(line.constant), NEWLINE]


def program_words(program: tuple[Line, ...]) -> list[str]:
    """The body of a program; the prompt ends with its first line."""
    return [*(word for line in program for word in line_words(line)), RETURN]


def write_programs(amount: int, *, lines: int, seed: int) -> Iterator[tuple[list[str], list[str]]]:
    """Prompts and what a careless programmer answers: functions of the base split, the shares of `SLIPS` wrong."""
    rng = random.Random(f"code programs {lines} {seed}")
    for _ in range(amount):
        program, function = draw_program(rng, lines, "base")
        if rng.random() < SLIPS:
            slip = int(rng.random() * lines)
            program = (*program[:slip], LINES[int(rng.random() * len(LINES))], *program[slip + 1 :])
        yield prompt_words(function), [*program_words(program), END]
