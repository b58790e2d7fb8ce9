"""The words of the tiny code task: pieces of Python and small numbers. Joined, they are the program."""

import random
from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from forage.tasks.code.functions import CONSTANTS, LARGEST, LINES, SHOWN, CodeLine, Function, Program, draw_program

PAD, END = "<pad>", "<eos>"
STARTER = "def f(x):\n"
OPENING, RETURN, NEWLINE, CLOSE = f"\n{STARTER}", "    return x\n", "\n", ")\n"
EXAMPLES = tuple(f"{'' if x == SHOWN[0] else NEWLINE}# f({x}) = " for x in SHOWN)
HINTS = {operation: f"{NEWLINE}# use {operation}" for operation in CONSTANTS}
INFIX = {operation: f"    x = x {operation} " for operation in ("+", "-", "*", "//")}
CALLS = {operation: f"    x = {operation}(x, " for operation in ("max", "min")}
WORDS = (PAD, END, *map(str, range(LARGEST + 1)), *EXAMPLES, *HINTS.values(), OPENING)
WORDS = (*WORDS, *INFIX.values(), *CALLS.values(), NEWLINE, CLOSE, RETURN)
"""The whole language, in long words, which keep a program short. The position of a word is its token."""

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


def prompt_words(program: Program, function: Function) -> list[str]:
    """Results for the arguments that are shown, the operations in their order, and the program's first line."""
    shown = zip(EXAMPLES, SHOWN, strict=True)
    examples = [word for example, x in shown for word in (example, str(function.results[x]))]
    return [*examples, *(HINTS[line.operation] for line in program), OPENING]


def line_words(line: CodeLine) -> list[str]:
    if line.operation in CALLS:
        return [CALLS[line.operation], str(line.constant), CLOSE]
    return [INFIX[line.operation], str(line.constant), NEWLINE]


def program_words(program: Program) -> list[str]:
    """The body of a program; the prompt ends with its first line."""
    return [*(word for line in program for word in line_words(line)), RETURN]


def write_programs(amount: int, *, lines: int, seed: int) -> Iterator[tuple[list[str], list[str]]]:
    """Prompts and what a careless programmer answers: functions of the base split, the share `SLIPS` with a slip."""
    rng = random.Random(f"code programs {lines} {seed}")
    for _ in range(amount):
        program, function = draw_program(rng, lines, "base")
        written = program
        if rng.random() < SLIPS:
            slip = int(rng.random() * lines)
            written = (*program[:slip], LINES[int(rng.random() * len(LINES))], *program[slip + 1 :])
        yield prompt_words(program, function), [*program_words(written), END]
