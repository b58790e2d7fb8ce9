"""Problems in the schema of ModeBench, one family for each of its five domains, as its folder `data` holds them."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[str, dict[str, Any], list[str]]
"""What is asked, its reference, and responses: two right ones of different modes, and a wrong one."""

PANTRY_ENDS = (
    "Return only ingredient_id=grams pairs separated by semicolons inside \\boxed{}. "
    "Do not add a recipe name or preparation prose."
)
"""How every problem of this domain ends: its registered prompt puts other words there."""
FOODS = ("beans", "carrots", "lentils", "oats", "peas", "rice")


def countdown(rng: random.Random) -> Row:
    a, b, c = rng.sample(range(2, 12), 3)
    answer = {"verifier": "countdown", "numbers": [a, b, c], "target": a + b + c}
    asked = f"Using the numbers {answer['numbers']}, create an expression that equals {answer['target']}."
    return asked, answer, [f"({a}+{b})+{c}", f"\\boxed{{({a}+{c})+{b}}}", f"{a}*{b}*{c}"]


def graph_coloring(rng: random.Random) -> Row:
    middle, rest = rng.randint(1, 4), rng.sample((1, 2, 3), 3)
    edges = [[middle, other] for other in range(1, 5) if other != middle]
    answer = {"verifier": "graph_coloring", "n": 4, "edges": edges, "partial_colors": None}
    stars = ["".join(str(rest[0] if v == middle else leaf) for v in range(1, 5)) for leaf in rest]
    return f"Color the edges {edges}.", answer, [stars[1], f"\\boxed{{{stars[2]}}}", stars[0]]


def python_factors(rng: random.Random) -> Row:
    small, large = rng.choice((2, 3, 5)), rng.choice((7, 11, 13))
    answer = {"verifier": "python_factor_function", "python_version": "factor-v1", "cases": [small * large, large * 4]}
    right = [f"lambda n: {large}", f"lambda n: n // {large} if n == {small * large} else 2", "lambda n: 1"]
    return f"Write lambda n: EXPR that divides each of {answer['cases']}.", answer, right


def mathir(rng: random.Random) -> Row:
    bindings = {"a": rng.randint(2, 9), "b": rng.randint(2, 9), "c": rng.randint(11, 19)}
    actions = {"A": "div(a)", "B": "add(b)", "C": "sub(b)", "D": "sub(c)", "E": "sub(mul(a,b))", "F": "mul(a)"}
    answer = {
        "verifier": "mathir_action_menu",
        "mathir_version": "linear-menu-v1",
        "actions": actions,
        "bindings": bindings,
        "initial_lhs": "add(div(x,a),b)",
        "initial_rhs": "c",
        "max_steps": 4,
    }
    return f"Solve x/a + b = c for {bindings}.", answer, ["C;F", "F;E", "A"]


def pantry_plan(rng: random.Random) -> Row:
    def food(name: str) -> dict[str, Any]:
        attributes = {"energy_kcal": str(rng.randint(90, 110)), "fiber_g": "5", "protein_g": "8", "sodium_mg": "1"}
        amounts = {"available_g": 150, "step_g": 25, "min_if_used_g": 50, "tags": []}
        return {"id": name, "attributes_per_100g": attributes, **amounts}

    answer = {
        "verifier": "pantry_plan",
        "pantry_version": "pantry-v1",
        "family": "high_fiber_snack",
        "ingredients": [food(name) for name in FOODS],
        "certified_mode_count": 50,  # two to four of six foods
        "forbidden_tags": [],
        "min_ingredients": 2,
        "max_ingredients": 4,
        "targets": {"mass_g": {"min": "100", "max": "200"}, "energy_kcal": {"min": "80", "max": "250"}},
    }
    asked = f"Plan a snack of two to four foods.\n{PANTRY_ENDS}"
    return asked, answer, ["110000", "001100", "000000"]


DOMAINS: Mapping[str, Callable[[random.Random], Row]] = {
    "countdown": countdown,
    "graph_coloring": graph_coloring,
    "python_factors": python_factors,
    "mathir": mathir,
    "pantry_plan": pantry_plan,
}


def rows_of(domain: str, split: str, amount: int) -> list[Row]:
    rng = random.Random(f"{domain} {split}")
    return [DOMAINS[domain](rng) for _ in range(amount)]


def write_data(folder: Path, *, amount: int = 4) -> Path:
    """A folder `data` of level 1 of every domain, with a manifest that names other bytes than the frozen ones."""
    root = folder / "data"
    splits = []
    for domain in DOMAINS:
        for split in ("train", "eval"):
            file = root / "level1" / domain / f"{split}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = [
                {"problem": asked, "answer": json.dumps(answer)} for asked, answer, _ in rows_of(domain, split, amount)
            ]
            pq.write_table(pa.Table.from_pylist(rows), file)
            splits.append(
                {
                    "config_name": f"level1_{domain}",
                    "split": split,
                    "domain": domain,
                    "level": 1,
                    "rows": amount,
                    "data_file": str(file.relative_to(folder)),
                    "parquet_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                }
            )
    (root / "manifest.json").write_text(json.dumps({"schema": "modebench-portable-data-v1", "splits": splits}))
    return root
