"""What `forage methods` shows, read from the source of the methods: nothing is imported, so it takes no time.

A test compares it with the catalogue, entry by entry. `map.json` beside the methods holds what the documents say of
each: its family, how much of it is published, and what was measured. Another test compares that with the documents.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forage

FOLDER = Path(forage.__file__).parent / "methods"
MAP = FOLDER / "map.json"
INTERVAL = re.compile(r"\[[-+.\d]+, [-+.\d]+\]")
SENTENCE_END = re.compile(r"(?<!\bDr)\. ")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A catalogue entry as its source states it; `parameters` are the settings and their defaults, as written.

    From `family` on it is the method's entry in `map.json`; a control, and whatever is not in that file, has none.
    """

    name: str
    kind: str
    seam: str
    paper: str
    description: str
    control_of: str = ""
    needs: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    family: str = ""
    page: str = ""
    evidence: Sequence[str] = ()
    measured: str = ""

    @property
    def summary(self) -> str:
        return self.description.partition("\n")[0]


def method_pages() -> dict[str, Page]:
    """The page of every method in the catalogue, by name, in the order of the catalogue."""
    catalogue = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    names = [alias.name for node in catalogue.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    functions = {function.name: (function, made) for function, made in _decorated()}
    documented = json.loads(MAP.read_text(encoding="utf-8"))

    def page(name: str) -> Page:
        function, made = functions[name]
        of = made.args[0].id if made.args and isinstance(made.args[0], ast.Name) else ""
        stated: dict[str, Any] = {entry.arg: ast.literal_eval(entry.value) for entry in made.keywords if entry.arg}
        without = stated.pop("without", ())
        own = page(of).parameters if of else _parameters(function)
        if of:
            stated.setdefault("needs", page(of).needs)
            stated["control_of"] = of if stated["kind"] == "control" else ""
        return Page(
            name=name,
            description=inspect.cleandoc(ast.get_docstring(function) or ""),
            parameters={key: default for key, default in own.items() if key not in without},
            **stated,
            **documented.get(name, {}),
        )

    return {name: page(name) for name in names if name in functions}


def families(pages: Mapping[str, Page]) -> dict[str, list[Page]]:
    """The methods that are no controls by family, both in the order of the documents; those without one come last."""
    places = {name: place for place, name in enumerate(json.loads(MAP.read_text(encoding="utf-8")))}
    grouped: dict[str, list[Page]] = {}
    for page in sorted(pages.values(), key=lambda page: places.get(page.name, len(places))):
        if page.kind != "control":
            grouped.setdefault(page.family or "Other methods", []).append(page)
    return grouped


def measured_in_short(page: Page) -> str:
    """What was measured, up to the first interval, or its first sentence; "no" for a method that was not measured."""
    if not page.measured or page.measured.startswith("Not measured"):
        return "no"
    text = page.measured.replace(" (findings)", "")
    before, own, after = text.partition(f"`{page.name}`")
    if own and INTERVAL.search(before):  # methods that share a paragraph: what all have in common, then its own numbers
        text = before.partition("`")[0] + own + after
    if interval := INTERVAL.search(text):
        shown = text[: interval.end()]
        return shown + ")" * (shown.count("(") - shown.count(")"))
    return SENTENCE_END.split(text)[0].rstrip(".")


def _decorated() -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Every function that `method` or `variant` makes a method of, and that call."""
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for made in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in MAKERS:
                    assert isinstance(node, ast.FunctionDef)
                    yield node, made


MAKERS = ("method", "variant")


def _parameters(function: ast.FunctionDef) -> dict[str, str]:
    defaults = [default for default in function.args.kw_defaults if default is not None]
    return {entry.arg: ast.unparse(default) for entry, default in zip(function.args.kwonlyargs, defaults, strict=True)}
