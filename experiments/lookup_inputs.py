"""What two arms of experiments/lookup_arms.txt are given: `python experiments/lookup_inputs.py runs/lookup-inputs`.

key_steps.jsonl: the key steps of a question are its relation and its name, which a good query holds. search.json: one
strategic gram, the mark that begins a query; its placebo are the names, of which a query has one as well.
"""

import json
import sys
from pathlib import Path

from forage.grams.gram_list import GramCluster, GramList
from forage.tasks.lookup import NAMES, Lookup


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for problem in (*Lookup().problems("train"), *Lookup().problems("test")):
        _, _, fact = problem.id.partition(":")
        rows.append(json.dumps({"id": problem.id, "key_steps": fact.split("-")}))
    (out / "key_steps.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    grams = GramList(clusters=(GramCluster(grams=("begin of query",), label="search"),), placebo=NAMES)
    (out / "search.json").write_text(grams.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
