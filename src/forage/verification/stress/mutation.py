"""Hostile answers that nobody wrote: mutations of the stress set, always the same for a seed.

Programs are cut, repeated, reordered and put into one another line by line; other texts piece by piece. What children
and destructive calls can reach stays what it was in the set: arguments are never invented, only moved.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from forage.verification.stress.answers import HostileAnswer
from forage.verification.stress.misbehaviour import MISBEHAVE

Pieces = list[str]

LONGEST = 200_000
"""Characters of a mutant."""

FORKS = ("fork(", "Popen(", "Pool(")
"""What starts processes: of these a mutant keeps one at most, so that nothing multiplies."""


def mutants(answers: Sequence[HostileAnswer], count: int, *, seed: int) -> Iterator[HostileAnswer]:
    """`count` mutants, those of one verifier together, in the proportions of the set."""
    rng = random.Random(seed)
    families: dict[str, list[HostileAnswer]] = {}
    for answer in answers:
        if answer.verifier != MISBEHAVE:  # its texts are orders to a verifier, not answers
            families.setdefault(answer.verifier.name, []).append(answer)
    total = sum(map(len, families.values()))
    left = count
    for number, family in enumerate(families.values(), 1):
        share = left if number == len(families) else min(left, round(count * len(family) / total))
        left -= share
        for parent in sorted(rng.choices(range(len(family)), k=share)):
            chosen = family[parent]
            other = rng.choice([member for member in family if member.verifier == chosen.verifier])
            yield replace(chosen, name=f"mutant of {chosen.name}", text=_mutated(chosen.text, other.text, rng))


def _mutated(text: str, other: str, rng: random.Random) -> str:
    pieces, others = _pieces(text), _pieces(other)
    for _ in range(rng.randint(1, 4)):
        pieces = rng.choice(CHANGES)(pieces, others, rng)
    return _without_forks("".join(pieces)[:LONGEST])


def _pieces(text: str) -> Pieces:
    """Lines where there are several, else up to 40 parts of equal length."""
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        return lines
    size = max(1, len(text) // 40)
    return [text[first : first + size] for first in range(0, len(text), size)] or [""]


def _without_forks(text: str) -> str:
    seen, kept = False, []
    for line in text.splitlines(keepends=True):
        starts = sum(line.count(mark) for mark in FORKS)
        if starts and (seen or starts > 1):
            kept.append(line[: len(line) - len(line.lstrip())] + "pass\n")
            continue
        seen = seen or bool(starts)
        kept.append(line)
    return "".join(kept)


def _drop(pieces: Pieces, _: Pieces, rng: random.Random) -> Pieces:
    gone = rng.randrange(len(pieces)) if pieces else 0
    return [*pieces[:gone], *pieces[gone + 1 :]]


def _repeat(pieces: Pieces, _: Pieces, rng: random.Random) -> Pieces:
    if not pieces:
        return pieces
    chosen = rng.randrange(len(pieces))
    return [*pieces[:chosen], *[pieces[chosen]] * rng.randint(2, 5), *pieces[chosen + 1 :]]


def _swap(pieces: Pieces, _: Pieces, rng: random.Random) -> Pieces:
    moved = list(pieces)
    if len(moved) > 1:
        first, second = rng.sample(range(len(moved)), 2)
        moved[first], moved[second] = moved[second], moved[first]
    return moved


def _cut(pieces: Pieces, _: Pieces, rng: random.Random) -> Pieces:
    return pieces[: rng.randint(0, len(pieces))]


def _graft(pieces: Pieces, others: Pieces, rng: random.Random) -> Pieces:
    place = rng.randint(0, len(pieces))
    first = rng.randrange(len(others)) if others else 0
    return [*pieces[:place], *others[first : first + rng.randint(1, 5)], *pieces[place:]]


def _spoil(pieces: Pieces, _: Pieces, rng: random.Random) -> Pieces:
    """A character of one piece becomes one that parsers and encoders stumble over."""
    spoiled = [index for index, piece in enumerate(pieces) if piece]
    if not spoiled:
        return ["\0"]
    chosen = rng.choice(spoiled)
    piece = pieces[chosen]
    place = rng.randrange(len(piece))
    odd = rng.choice(["\0", "\ud800", "\u202e", "\\", "{", "}", "(", "$", "%", "\x1b", "9", "\t", "\uff14", "'"])
    return [*pieces[:chosen], piece[:place] + odd + piece[place + 1 :], *pieces[chosen + 1 :]]


CHANGES: Sequence[Callable[[Pieces, Pieces, random.Random], Pieces]] = (_drop, _repeat, _swap, _cut, _graft, _spoil)
