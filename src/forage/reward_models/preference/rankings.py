"""Rankings of responses, in JSONL files: pairs (`prompt, chosen, rejected`) and longer lists (`prompt, ranked`)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Responses to a prompt, best first. Two of them are a pairwise preference. `source` says where it was read."""

    prompt: str
    responses: tuple[str, ...]
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if len(self.responses) < 2:
            raise ForageError(f"{self.source or 'a ranking'}: a preference is between at least two responses.")
        if len(set(self.responses)) < len(self.responses):
            raise ForageError(f"{self.source or 'a ranking'}: a response stands in two places of the ranking.")


@dataclass(frozen=True, slots=True)
class Rankings:
    """What a file held: its rankings, and a sentence for every row that could not be used."""

    rankings: tuple[Ranking, ...]
    rejected: tuple[str, ...]


def read_rankings(path: Path) -> Rankings:
    """The rows of a JSONL file: `prompt`, `chosen` and `rejected`, or `prompt` and `ranked` (best first).

    Without a `prompt`, chosen and rejected are whole dialogues: what they share, up to the last line break in it, is
    the prompt. Rows that cannot be used are reported with file and line. Raises ForageError where the file cannot be
    read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The preferences {path} cannot be read: {error}.") from error
    rankings, rejected = [], []
    for source, line in _lines(path, lines):
        try:
            rankings.append(_parse(json.loads(line), source))
        except ForageError as error:
            rejected.append(str(error))
        except ValueError as error:
            rejected.append(f"{source}: it is not JSON ({error}).")
    return Rankings(tuple(rankings), tuple(rejected))


def write_rankings(rankings: Iterable[Ranking]) -> str:
    """JSONL text that `read_rankings` reads back: pairs as chosen and rejected, longer ones as ranked."""
    return "".join(json.dumps(_row(ranking), ensure_ascii=False) + "\n" for ranking in rankings)


def _lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{path}, line {number}", line


def _row(ranking: Ranking) -> dict[str, Any]:
    if len(ranking.responses) == 2:
        return {"prompt": ranking.prompt, "chosen": ranking.responses[0], "rejected": ranking.responses[1]}
    return {"prompt": ranking.prompt, "ranked": list(ranking.responses)}


def _parse(row: Any, source: str) -> Ranking:
    if not isinstance(row, dict):
        raise ForageError(f"{source}: a row is an object with prompt, chosen and rejected, or prompt and ranked.")
    if "ranked" in row:
        ranked = row["ranked"]
        if not isinstance(ranked, list):
            raise ForageError(f"{source}: `ranked` must be a list of responses, best first.")
        prompt = _text(row, "prompt", source)
        return Ranking(
            prompt=prompt, responses=tuple(_string(text, "ranked", source) for text in ranked), source=source
        )
    chosen, rejected = _text(row, "chosen", source), _text(row, "rejected", source)
    if "prompt" in row:
        return Ranking(prompt=_text(row, "prompt", source), responses=(chosen, rejected), source=source)
    shared = _shared(chosen, rejected)
    if not shared:
        raise ForageError(f"{source}: it has no `prompt`, and chosen and rejected share no line that could be one.")
    return Ranking(prompt=shared, responses=(chosen[len(shared) :], rejected[len(shared) :]), source=source)


def _text(row: dict[str, Any], key: str, source: str) -> str:
    if key not in row:
        raise ForageError(f"{source}: the key `{key}` is missing; it has {', '.join(map(repr, row)) or 'none'}.")
    return _string(row[key], key, source)


def _string(value: Any, key: str, source: str) -> str:
    if not isinstance(value, str):
        raise ForageError(f"{source}: `{key}` must be text, not {type(value).__name__}.")
    return value


def _shared(first: str, second: str) -> str:
    """The longest common beginning that ends with a line break."""
    length = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    return first[: first.rfind("\n", 0, length) + 1]
