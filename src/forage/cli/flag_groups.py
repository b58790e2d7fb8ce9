"""The boxes in which help shows the flags of a command with many: what each is about, and which flags it holds."""

from collections.abc import Mapping

FIRST_FLAGS = 5
"""So many flags, those that a command's function names first, stand above all groups: they matter most."""

UNGROUPED_FLAGS = 9
"""A command with no more flags than this shows them all in one box."""

OTHER = "other"

GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "problems": (
        "Which problems.",
        ("task", "split", "problems", "data", "verifier", "max_prompt_tokens", "grams", "modes", "step_ends"),
    ),
    "table": (
        "How the rows of a table are read.",
        (
            *("prompt_column", "answer_column", "response_column", "id_column", "answer_after", "solution_column"),
            *("skip_bad_rows", "delimiter", "encoding", "system", "template", "environment"),
        ),
    ),
    "responses": (
        "Responses: how many, how long, and how they are sampled.",
        (
            *("solutions", "continuations", "responses", "repeats", "max_tokens", "temperature", "top_p", "top_k"),
            *("stop", "reprompt", "noise", "exact"),
        ),
    ),
    "search": (
        "When a step is kept.",
        ("accept", "floor", "proposals", "backtracks", "lookahead", "aggregate"),
    ),
    "voting": (
        "A search by votes.",
        ("votes", "roots", "epsilon", "patience", "uncertainty"),
    ),
    "evidence": (
        "A search that documents judge.",
        ("documents", "judge", "rounds", "actions", "exploration", "refine", "exhaustive"),
    ),
    "training": (
        "How the model is trained.",
        (
            *("objective", "head", "epochs", "lr", "batch", "margin", "probe", "placebo", "held_out"),
            *("checkpoint_every", "weight_decay", "micro_tokens", "learn_from", "new_token", "adapter"),
            *("gradient_checkpointing",),
        ),
    ),
    "engine": (
        "Where and in which numbers the model computes.",
        ("device", "dtype", "matmul", "threads", "rows", "trust_remote_code", "shard"),
    ),
    "verification": (
        "How answers are checked. The number of processes does not change results.",
        ("verifier_workers", "deadline", "memory_mb"),
    ),
    OTHER: ("", ("seed", "draws")),
    "output": ("What is written.", ("out", "json", "quiet", "track")),
}
"""By title: a sentence, and flags in the order of their box. A flag in no group stands among the others."""
