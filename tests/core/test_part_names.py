"""Every part has one stored name, which leads to its class."""

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from forage.core.part_names import MODULES, RENAMED, RENAMED_FIELDS
from forage.core.serialize import decode_part, encode_part
from forage.training.recipe import Recipe

SOURCE = Path(__file__).parents[2] / "src" / "forage"
OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "recipes.json"
ROOMS = ("parts", "tasks", "engines", "training/recipe.py")
"""Where parts are defined; others (`SamplingParams`, the records of an analysis) are listed by hand."""

NO_PARTS = {
    *("Costs", "Examination", "HybridBatch", "MatmulChoice", "MatmulMeasurement"),
    *("Claim", "ClaimSearch", "JudgedResponse", "JudgedStep", "WordJudge"),
}
"""Frozen keyword-only records in these rooms that no recipe holds."""


def parts() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        inside = path.relative_to(SOURCE).as_posix()
        if not inside.startswith(ROOMS):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in NO_PARTS:
                marks = [ast.unparse(decorator) for decorator in node.decorator_list]
                if any("frozen=True" in mark and "kw_only=True" in mark for mark in marks):
                    assert node.name not in found, f"two parts are called {node.name}"
                    found[node.name] = inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return found


def test_every_part_is_listed() -> None:
    missing = {name: module for name, module in parts().items() if MODULES.get(name) != module}
    assert not missing, f"add to forage/core/part_names.py: {missing}"


@pytest.mark.parametrize("name", MODULES)
def test_every_name_leads_to_its_class(name: str) -> None:
    kind = getattr(importlib.import_module(f"forage.{MODULES[name]}"), name)
    assert kind.__module__ == f"forage.{MODULES[name]}"


def test_old_names_lead_to_names_of_today() -> None:
    assert set(RENAMED.values()) <= set(MODULES)
    assert not set(RENAMED) & set(MODULES)
    for (part, _), field in RENAMED_FIELDS.items():
        kind = getattr(importlib.import_module(f"forage.{MODULES[part]}"), part)
        assert field in kind.__dataclass_fields__


def names_in(encoded: Any) -> set[str]:
    if isinstance(encoded, dict):
        own = {encoded["part"]} if "part" in encoded else set()
        return own.union(*map(names_in, encoded.values()))
    return set().union(*map(names_in, encoded)) if isinstance(encoded, list) else set()


@pytest.mark.parametrize("name", json.loads(OLD.read_text()))
def test_recipes_that_version_0_1_wrote_are_read(name: str) -> None:
    """Under dotted module paths, with the field names of then: one recipe of every method and every task."""
    old = json.loads(OLD.read_text())[name]
    assert all(part.startswith("forage.") for part in names_in(old))
    recipe = decode_part(old, Recipe)
    written = encode_part(recipe)
    assert not any("." in part for part in names_in(written))
    assert decode_part(written, Recipe) == recipe
