"""What keeps several right answers: every arm on graph coloring, exact numbers on unseen graphs.

    python experiments/colouring.py --out runs/colouring-arms --seeds 0,1,2,3,4 --workers 2

Trains each arm with each seed (a base model, training graphs and a run of its own per seed), computes pass@k,
distinct@k and PCMD from the probabilities of all answers, and writes one line of JSON per run to OUT/rows.jsonl.
Interrupted, the same command goes on with the arms that are missing. Ends with the table of means over seeds.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paired import differences, mean

MODE_COVERAGE: dict[str, tuple[str, ...]] = {
    "mode coverage": ("dr_grpo", "mode_coverage"),
    "mode coverage, ways dealt anew (control)": ("dr_grpo", "mode_coverage_random"),
    "mode coverage, reward not divided (control)": ("dr_grpo", "mode_coverage_undivided"),
    "mode coverage without exemplars (control)": ("dr_grpo", "mode_coverage_unreplayed"),
    "mode coverage without restarts (control)": ("dr_grpo", "mode_coverage_unrestarted"),
    "mode coverage by the task's modes": ("dr_grpo", "mode_coverage:ways=mode"),
}

ARMS: dict[str, tuple[str, ...]] = {
    "Dr. GRPO": ("dr_grpo",),
    "GRPO": ("grpo",),
    "GRPO + entropy advantage": ("grpo", "entropy_advantage"),
    "GRPO + shuffled entropy (control)": ("grpo", "shuffled_entropy"),
    "MaxRL": ("maxrl",),
    "TailRL": ("tailrl",),
    "NSR": ("nsr",),
    "PSR": ("psr",),
    "W-REINFORCE": ("weighted_reinforce",),
    "pass@4 advantage": ("passk:k=4",),
    "IPS": ("dr_grpo", "mode_diversity:rule=ips"),
    "IPS, keys permuted (control)": ("dr_grpo", "mode_diversity_random:rule=ips"),
    "1/n after centering (control)": ("dr_grpo", "mode_diversity_after"),
    "DARLING": ("dr_grpo", "mode_diversity:rule=darling"),
    "DARLING, right only": ("dr_grpo", "mode_diversity:rule=darling_right"),
    "repetition": ("dr_grpo", "mode_diversity:rule=repetition"),
    "unlikeliness": ("dr_grpo", "unlikeliness"),
    "unlikeliness, random ranks (control)": ("dr_grpo", "unlikeliness_random"),
    "UCPO": ("dr_grpo", "ucpo"),
    "uniqueness": ("dr_grpo", "uniqueness"),
    "Cue": ("dr_grpo", "cue"),
    "SetPO": ("dr_grpo", "setpo"),
    "entropy penalty .03": ("dr_grpo", "entropy_penalty:coefficient=0.03"),
    "entropy penalty .1": ("dr_grpo", "entropy_penalty:coefficient=0.1"),
    "KL to base .03": ("dr_grpo", "kl_penalty:coefficient=0.03"),
    "KL to base .1": ("dr_grpo", "kl_penalty:coefficient=0.1"),
    "top 20% entropy tokens": ("dr_grpo", "top_entropy_tokens"),
    "random 20% of tokens (control)": ("dr_grpo", "random_entropy_tokens"),
    "Clip-Cov": ("dr_grpo", "clip_cov"),
    "entropy target": ("dr_grpo", "entropy_target"),
    "DPPO": ("dppo",),
    "SAPO": ("sapo",),
    "CE-GPPO": ("ce_gppo",),
    "replay of verified modes .1": ("dr_grpo", "mode_replay:coefficient=0.1"),
    "replay of verified modes .3": ("dr_grpo", "mode_replay:coefficient=0.3"),
    "replay .3 by frequency (control)": ("dr_grpo", "mode_replay_frequency:coefficient=0.3"),
    "replay .3 of one mode a problem (control)": ("dr_grpo", "mode_replay_single:coefficient=0.3"),
    "replay .3 of other graphs (control)": ("dr_grpo", "mode_replay_others:coefficient=0.3"),
    "replay 5": ("dr_grpo", "mode_replay:coefficient=5"),
    "replay 5 by frequency (control)": ("dr_grpo", "mode_replay_frequency:coefficient=5"),
    "replay 5 of one mode a problem (control)": ("dr_grpo", "mode_replay_single:coefficient=5"),
    "replay 5 of other graphs (control)": ("dr_grpo", "mode_replay_others:coefficient=5"),
    "RLEP": ("dr_grpo", "success_replay"),
    "ExGRPO": ("dr_grpo", "success_replay:rule=exgrpo"),
    "answers counted (UCB)": ("dr_grpo", "answer_ucb"),
    "answers counted, bonuses dealt anew (control)": ("dr_grpo", "answer_ucb_random"),
    "Reinforce-Ada": ("dr_grpo", "reinforce_ada"),
    "Reinforce-Ada, problems at random (control)": ("dr_grpo", "reinforce_ada_random"),
    "posterior budget": ("dr_grpo", "posterior_budget"),
    "posterior budget, dealt anew (control)": ("dr_grpo", "posterior_budget_random"),
    "prefixes of right answers": ("dr_grpo", "prefix_guided"),
    "prefixes of other answers (control)": ("dr_grpo", "prefix_guided_other"),
    "tree credit": ("tree_credit",),
    "tree credit, random forks (control)": ("tree_credit_random",),
    "shared tokens count once": ("dr_grpo", "lambda_grpo"),
    "base anchor .05": ("dr_grpo", "base_anchor:coefficient=0.05,solved=0.125"),
    "memory of responses": ("dr_grpo", "memory_r"),
    "memory of responses, dealt anew (control)": ("dr_grpo", "memory_r_shuffled"),
    "memory of responses .2": ("dr_grpo", "memory_r:exploit=0.2,explore=0.2"),
    "memory of responses .2, dealt anew (control)": ("dr_grpo", "memory_r_shuffled:exploit=0.2,explore=0.2"),
    "novelty (i-MENTOR)": ("dr_grpo", "i_mentor"),
    "novelty, dealt anew (control)": ("dr_grpo", "i_mentor_shuffled"),
    **MODE_COVERAGE,
}
STRENGTHS: dict[str, tuple[str, Sequence[str]]] = {
    "entropy penalty": ("entropy_penalty:coefficient=", ("0.03", "0.1", "0.2", "0.4")),
    "KL to base": ("kl_penalty:coefficient=", ("0.03", "0.1", "0.3")),
    "replay": ("mode_replay:coefficient=", ("2", "5", "15")),
    "mode coverage, exemplars": ("mode_coverage:coefficient=", ("2", "5", "15")),
    "unlikeliness, beta": ("unlikeliness:beta=", ("0.25", "0.5", "1")),
    "top entropy tokens, share": ("top_entropy_tokens:share=", ("0.1", "0.2", "0.4")),
    "base anchor": ("base_anchor:solved=0.125,coefficient=", ("0.05", "0.15")),
    "entropy advantage, alpha": ("entropy_advantage:alpha=", ("0.4", "1.6")),
}
"""Strengths to choose among on seeds that are not compared."""
TUNING: dict[str, tuple[str, ...]] = {
    f"{name} {strength}": ("dr_grpo", method + strength)
    for name, (method, strengths) in STRENGTHS.items()
    for strength in strengths
}
EVERY = {**TUNING, **ARMS}
PAIRS: tuple[tuple[str, str], ...] = (
    ("Dr. GRPO", "base"),
    ("IPS", "Dr. GRPO"),
    ("IPS", "IPS, keys permuted (control)"),
    ("replay 5", "Dr. GRPO"),
    ("replay 5", "replay 5 by frequency (control)"),
    ("replay 5", "replay 5 of one mode a problem (control)"),
    ("GRPO + entropy advantage", "GRPO + shuffled entropy (control)"),
    ("unlikeliness", "unlikeliness, random ranks (control)"),
    ("entropy penalty .1", "Dr. GRPO"),
    ("KL to base .1", "Dr. GRPO"),
    ("mode coverage", "mode coverage, ways dealt anew (control)"),
    ("mode coverage", "IPS"),
    ("top 20% entropy tokens", "random 20% of tokens (control)"),
    ("answers counted (UCB)", "answers counted, bonuses dealt anew (control)"),
    ("memory of responses", "memory of responses, dealt anew (control)"),
    ("novelty (i-MENTOR)", "novelty, dealt anew (control)"),
)
COLUMNS = ("pass@1", "pass@8", "pass@64", "distinct@8", "pcmd")


def work(job: tuple[str, int, str, float, int, str]) -> dict[str, Any]:
    """One run from its base to its row. A failure is a row too: nothing else is lost."""
    arm, seed, answers, lr, steps, out = job
    import torch

    torch.set_num_threads(1)
    from runs import trained

    from forage.recipes import colouring
    from forage.store.run_directory import RunDirectory
    from forage.training.exact import exact_evaluation

    began = time.perf_counter()
    try:
        place = Path(out) / "runs" / f"{answers}-lr{lr:g}-{''.join(c if c.isalnum() else '-' for c in arm)}-{seed}"
        shared: dict[str, Any] = {"answers": answers, "world_seed": seed, "seed": seed, "lr": lr, "steps": steps}
        recipe = colouring(**shared, method=list(EVERY.get(arm, ("grpo",))), matmul="highest", threads=1)
        checkpoint = recipe.model if arm == "base" else str(trained(recipe, place).path)
        splits = {split: exact_evaluation(checkpoint, task=recipe.task, split=split) for split in ("test", "train")}
        found: dict[str, Any] = {split: each.summary() for split, each in splits.items()}
        if arm != "base":
            found["tokens"] = RunDirectory.open(Path(checkpoint)).metrics()[-1]["tokens"]
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"[:300]}
    key = {"arm": arm, "seed": seed, "answers": answers, "lr": lr, "steps": steps}
    return {**key, **found, "seconds": round(time.perf_counter() - began, 1)}


def base(job: tuple[int, str]) -> None:
    import torch

    torch.set_num_threads(1)
    from forage.base_models.colouring import build_coloring_base

    build_coloring_base(answers=job[1], seed=job[0], progress=False)  # pyright: ignore[reportArgumentType]


def table(rows: Sequence[dict[str, Any]], answers: str, lr: float) -> str:
    lines = ["| arm (test graphs) | " + " | ".join(COLUMNS) + " | seeds |", "|---" * (len(COLUMNS) + 2) + "|"]
    for arm in ("base", *EVERY):
        mine = [r["test"] for r in rows if (r["arm"], r["answers"], r["lr"]) == (arm, answers, lr) and "test" in r]
        if not mine:
            continue
        cells = [mean([each[name] for each in mine]) for name in COLUMNS]
        lines.append(f"| {arm} | {' | '.join(cells)} | {len(mine)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/colouring-arms")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--answers", default="short", choices=("short", "long"))
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--steps", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--arms", default="", help="names separated by semicolons; tuning: those of STRENGTHS; all others unless given"
    )
    parser.add_argument("--minutes", type=float, default=0, help="begin no run after so many minutes")
    flags = parser.parse_args()
    out, seeds = Path(flags.out), [int(seed) for seed in flags.seeds.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    file = out / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(r["arm"], r["seed"], r["answers"], r["lr"], r["steps"]) for r in rows if "test" in r}
    names = ["base", *ARMS] if not flags.arms else flags.arms.split(";")
    names = ["base", "Dr. GRPO", *TUNING] if names == ["tuning"] else names
    if unknown := [name for name in names if name not in ("base", *EVERY)]:
        parser.error(f"there is no arm {unknown[0]!r}; there are base, {', '.join(EVERY)}")
    jobs = [(name, seed, flags.answers, flags.lr, flags.steps, str(out)) for seed in seeds for name in names]
    jobs = [job for job in jobs if job[:5] not in done]
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(flags.workers) as pool:
        pool.map(base, [(seed, flags.answers) for seed in seeds], chunksize=1)
        print(f"bases built after {time.monotonic() - began:.0f} s; {len(jobs)} runs", flush=True)
        for row in pool.imap_unordered(work, jobs, chunksize=1):
            rows.append(row)
            with file.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            said = row.get("failed") or {name: round(row["test"][name], 3) for name in COLUMNS}
            print(row["arm"], row["seed"], said, f"{row['seconds']} s", flush=True)
            if flags.minutes and time.monotonic() - began > 60 * flags.minutes:
                pool.terminate()
                break
    print(table(rows, flags.answers, flags.lr), "", sep="\n")
    fitting = [row for row in rows if (row["answers"], row["lr"]) == (flags.answers, flags.lr) and "test" in row]
    print(differences({(row["arm"], row["seed"]): row["test"] for row in fitting}, PAIRS, COLUMNS))


if __name__ == "__main__":
    main()
