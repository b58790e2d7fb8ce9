"""What the documents say of every method, as the package holds it: `src/forage/methods/map.json`.

    PYTHONPATH=tests python tests/support/method_map.py

writes that file anew from `docs/methods/`.
"""

import json
import re
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "methods"
FILE = ROOT / "src" / "forage" / "methods" / "map.json"
COMMAND = "PYTHONPATH=tests python tests/support/method_map.py"
MARKS = ("P", "2nd", "O", "M")
"""Levels of evidence; `docs/methods/README.md` says what they stand for."""


class Entry(TypedDict):
    """Where a method is described, the marks of its section, and its paragraph on what was measured, as plain text."""

    family: str
    page: str
    evidence: list[str]
    measured: str


def pages() -> list[Path]:
    """The pages of the families, in the order of the table that finds a method."""
    return [FOLDER / name for name in re.findall(r"^\| \[.*?\]\((.*?\.md)\)", (FOLDER / "README.md").read_text(), re.M)]


def sections(page: Path) -> dict[str, str]:
    """The text of the section whose heading names a method, by method."""
    parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]
    return {name: part for part in parts for name in re.findall(r"`(\w+)`", part.split("\n")[0])}


def collected() -> dict[str, Entry]:
    """An entry for every method that has a section, in the order of the pages and of their sections."""
    entries: dict[str, Entry] = {}
    for page in pages():
        title = page.read_text().split("\n")[0].removeprefix("# ")
        for name, section in sections(page).items():
            before, _, after = section.partition("**Measured.**")
            entries[name] = {
                "family": title,
                "page": str(page.relative_to(ROOT)),
                "evidence": [mark for mark in MARKS if re.search(rf"\[{mark}\b", before)],
                "measured": plain(after.strip().split("\n\n")[0]),
            }
    return entries


def plain(markdown: str) -> str:
    """A paragraph on one line, with the text of each link in its place."""
    return re.sub(r"\[([^\[\]]+)\]\([^()]+\)", r"\1", " ".join(markdown.split()))


def as_written(entries: dict[str, Entry]) -> str:
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_written(collected()), encoding="utf-8")
