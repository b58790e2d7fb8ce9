"""Search judged by documents on lookup: beside plain responses at as many tokens, and beside shuffled documents.

    python experiments/document_search.py --out runs/document_search --seeds 0,1,2

A seed is a base model of its own, the drawn tokens included. Each plan searches the 32 test questions, which no model
has seen, and one line of JSON per plan and seed goes to OUT/rows.jsonl; the same command goes on where it was
interrupted. Ends with means over seeds and 95% t-intervals of the paired differences.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from paired import interval, mean

from forage.base_models.lookup import build_lookup_base
from forage.engines.local.engine import LocalEngine
from forage.parts.values.claim_tree import ClaimSearch
from forage.training.document_comparison import document_search

PLANS: Mapping[str, ClaimSearch] = {
    "ends with a supported answer": ClaimSearch(),
    "exhaustive": ClaimSearch(stop=False),
    "refined": ClaimSearch(refine=True),
}
LEVELS = ("search", "shuffled", "best_of_n", "vote", "single")
DIFFERENCES = ("over_best_of_n", "over_vote", "over_shuffled")
COSTS = ("search_tokens", "shuffled_tokens", "plain_tokens", "single_tokens", "n", "supported", "depth")
REPEATS = 16
"""Searches of each question."""


def measured(plan: ClaimSearch, seed: int) -> dict[str, float]:
    model = build_lookup_base(seed=seed, progress=False)
    engine = LocalEngine(threads=1, matmul="highest")
    found = document_search(model, plan=plan, repeats=REPEATS, seed=seed, engine=engine)
    values = {name: getattr(found, name).estimate for name in (*LEVELS, *DIFFERENCES)}
    return values | {name: float(getattr(found, name)) for name in COSTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", default="0,1,2")
    flags = parser.parse_args()
    file = Path(flags.out) / "rows.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for seed in map(int, flags.seeds.split(",")):
        for name, plan in PLANS.items():
            if not any((row["plan"], row["seed"]) == (name, seed) for row in rows):
                rows.append({"plan": name, "seed": seed, "values": measured(plan, seed)})
                file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in PLANS:
        mine = [row["values"] for row in rows if row["plan"] == name]
        print(f"{name}:")
        for column in (*LEVELS, *COSTS):
            print(f"  {column}: {mean([each[column] for each in mine])}")
        for column in DIFFERENCES:
            print(f"  {column}: {interval([each[column] for each in mine])}")


if __name__ == "__main__":
    main()
