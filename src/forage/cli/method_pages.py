"""What `forage methods` shows, read from the source of the methods: nothing is imported, so it takes no time.

A test compares it with the catalogue, entry by entry.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forage

FOLDER = Path(forage.__file__).parent / "methods"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A catalogue entry as its source states it; `parameters` are the settings and their defaults, as written."""

    name: str
    kind: str
    seam: str
    paper: str
    description: str
    control_of: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return self.description.partition("\n")[0]


def method_pages() -> dict[str, Page]:
    """The page of every method in the catalogue, by name, in the order of the catalogue."""
    catalogue = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    names = [alias.name for node in catalogue.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    functions = {function.name: (function, made) for function, made in _decorated()}

    def page(name: str) -> Page:
        function, made = functions[name]
        of = made.args[0].id if made.args and isinstance(made.args[0], ast.Name) else ""
        stated: dict[str, Any] = {entry.arg: ast.literal_eval(entry.value) for entry in made.keywords if entry.arg}
        without = stated.pop("without", ())
        own = page(of).parameters if of else _parameters(function)
        if of and stated["kind"] == "control":
            stated["control_of"] = of
        return Page(
            name=name,
            description=inspect.cleandoc(ast.get_docstring(function) or ""),
            parameters={key: default for key, default in own.items() if key not in without},
            **stated,
        )

    return {name: page(name) for name in names if name in functions}


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
