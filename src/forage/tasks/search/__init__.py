"""Search inside of responses, by the name that the command line takes."""

from dataclasses import fields
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.spec import parse_call, split_free
from forage.core.turns import Environment
from forage.tasks.search.documents import Document, DocumentFiles, Documents
from forage.tasks.search.environment import SearchEnvironment

__all__ = ["Document", "DocumentFiles", "Documents", "SearchEnvironment", "chosen_environment", "parse_environment"]

SEARCH = "search"
FILES = "documents"
"""The setting that comes last and takes all that follows it."""


def chosen_environment(given: str | Environment) -> Environment:
    """What somebody gave as an environment: its name as text, or built. Raises ForageError."""
    return parse_environment(given) if isinstance(given, str) else given


def parse_environment(text: str) -> SearchEnvironment:
    """`search:docs.jsonl` or `search:results=5,searches=2,documents=docs.jsonl` as an environment, settled.

    Raises ForageError for anything else, and where the files are not there.
    """
    name, _, settings = text.partition(":")
    own = [field for field in fields(SearchEnvironment) if field.name != FILES]
    before, free = split_free(settings, FILES, [field.name for field in own])
    defaults = {field.name: field.default for field in own}
    _, values = parse_call(f"{name}:{before}", "environment", (SEARCH,), lambda _: defaults)
    if not free.get(FILES):
        raise ForageError("The environment search needs documents: search:documents.jsonl, or a folder of text files.")
    if values.get("index"):
        values["index"] = str(Path(str(values["index"])).expanduser().resolve())
    documents = DocumentFiles(path=free[FILES]).settled()
    return SearchEnvironment(documents=documents, **values)  # pyright: ignore[reportArgumentType]
