"""A short supervised warm-up of a chat model: the form of the answers, before reinforcement learning."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from forage.engines.local.model import LocalModel
from forage.engines.local.numerics import choose_matmul

BATCH, RISE = 8, 5
"""Examples of an optimizer step, and the steps in which the learning rate rises."""
IGNORED = -100
"""What cross-entropy takes for a token that is not learned."""


def warm_up(model: str, out: Path, examples: Sequence[tuple[str, str]], *, lr: float, device: str) -> None:
    """One pass over (prompt, right answer) in a random order that is always the same; the answers are learned."""
    choose_matmul(device=device)
    opened = LocalModel.load(model, device=device)
    shuffled = list(examples)
    random.Random(0).shuffle(shuffled)
    optimizer = torch.optim.AdamW(opened.module.parameters(), lr=lr, weight_decay=0.0)
    for number, first in enumerate(range(0, len(shuffled), BATCH), 1):
        rows = [_encoded(opened, *example) for example in shuffled[first : first + BATCH]]
        longest = max(len(before) + len(after) for before, after in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.int64)
        wanted = torch.full_like(tokens, IGNORED)
        for row, (before, after) in enumerate(rows):
            end = len(before) + len(after)
            tokens[row, :end] = torch.tensor([*before, *after])
            wanted[row, len(before) : end] = torch.tensor(after)
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, number / RISE)
        logits = opened.head.logits(opened.hidden(tokens.to(device))[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten().to(device), ignore_index=IGNORED)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    opened.save(out)


def _encoded(model: LocalModel, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """The tokens of the prompt as a user's turn, and those of the answer with the end token."""
    tokenizer: Any = model.tokenizer
    turn = [{"role": "user", "content": prompt}]
    asked = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    before = tokenizer(asked, add_special_tokens=False)["input_ids"]
    return before, [*tokenizer(answer, add_special_tokens=False)["input_ids"], model.stop_ids[0]]
