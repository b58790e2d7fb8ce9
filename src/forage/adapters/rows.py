"""Another trainer's rows as groups and a batch of this package, so that every part runs on them unchanged.

Axes: B rows, C tokens of the padded completions (the trainer's width), T tokens of our layout (prompt, completion,
padding). A completion keeps its place: its token j stands at prompt length + j.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Codec, Tools
from forage.core.records import Group, Message, Origin, Problem, Rollout, Score, Start

StepEnds = Callable[[Sequence[str]], Sequence[int]]
"""Exclusive ends of the reasoning steps of a response given token by token, as `Task.step_ends`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRow:
    """One completion. Its first `given` tokens were not sampled but continued: a start that somebody else wrote.

    `prompt_text` is the prompt as the trainer's data has it (text or chat messages) and `fields` the data's other
    columns. `score` is what its rewards said; `ended` is False where a limit cut it. `text` is the completion as the
    trainer has it; without it the tokens are decoded.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    score: Score
    given: int = 0
    ended: bool = True
    prompt_text: Any = ""
    fields: Mapping[str, Any] | None = None
    text: str | None = None

    @property
    def prefix(self) -> tuple[int, ...]:
        return self.completion[: self.given]


def groups_of(
    rows: Sequence[ExternalRow],
    group_size: int | Sequence[int],
    codec: Codec | None,
    *,
    step_ends: StepEnds | None = None,
    version: int = 0,
) -> tuple[Group, ...]:
    """The rows, which stand group by group, as groups. Their log-probabilities are unknown: NaN.

    `group_size` is the size of all groups, or that of each. `codec` may be None where every row has its text and nobody
    asks for steps. Raises ForageError where a group is not whole, where its
    rows differ in their prompt, or where they continue different prefixes: a mean over them would compare starts.
    """
    if isinstance(group_size, int):
        if len(rows) % group_size:
            raise ForageError(
                f"This process holds {len(rows)} rows, which are not whole groups of {group_size}, and parts that look "
                "at group_size need them together. Make the rows per process a multiple of the number of generations."
            )
        group_size = [group_size] * (len(rows) // group_size)
    blocks = _blocks(group_size, rows)
    return tuple(_group(number, block, codec, step_ends, version) for number, block in enumerate(blocks))


def batch_of(
    groups: Sequence[Group], rows: Sequence[ExternalRow], learned: Tensor, reward: Tensor, entropy: Tensor | None
) -> Batch:
    """The batch of `groups`, which were made of `rows`, learned from where `learned` (B, C) bool says so.

    `reward` (B,) is what the credit starts from, NaN where a row was not judged; `entropy` (B, C) are the entropies
    of the policy that sampled, where they are known.
    """
    blocks = _blocks([len(group.rollouts) for group in groups], rows)
    prompts = {group.start.problem.id: block[0].prompt for group, block in zip(groups, blocks, strict=True)}
    batch = collate(groups, lambda problem: prompts[problem.id])
    loss_mask, known = torch.zeros_like(batch.loss_mask), torch.zeros_like(batch.entropy)
    for number, row in enumerate(rows):
        begin, size = len(row.prompt), len(row.completion)
        loss_mask[number, begin : begin + size] = learned[number, :size].cpu()
        if entropy is not None:
            known[number, begin : begin + size] = entropy[number, :size].float().cpu()
    return replace(batch, loss_mask=loss_mask & batch.loss_mask, entropy=known, reward=reward.to("cpu", torch.float32))


def on_completions(values: Tensor, rows: Sequence[ExternalRow], width: int) -> Tensor:
    """(B, width) values of our layout (B, T) at the trainer's places: those of the completions' tokens, 0 elsewhere."""
    result = values.new_zeros(len(rows), width)
    for number, row in enumerate(rows):
        begin, size = len(row.prompt), len(row.completion)
        result[number, :size] = values[number, begin : begin + size]
    return result


def tools_of(codec: Codec) -> Tools:
    """What parts may use inside another trainer: text to tokens and back, and nothing that samples or judges."""
    return Tools(codec=codec, sampler=_Absent("samples again"), judge=_Absent("asks a verifier"))  # pyright: ignore[reportArgumentType]


class _Absent:
    """Stands where an adapter has no tool; whatever is asked of it is a sentence."""

    def __init__(self, work: str) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:
        raise ForageError(
            f"A part of this method {self._work} while it works, which adapters do not offer inside another trainer. "
            "Use `forage train` for this method."
        )


def _blocks(sizes: Sequence[int], rows: Sequence[ExternalRow]) -> list[Sequence[ExternalRow]]:
    ends = list(itertools.accumulate(sizes))
    return [rows[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _group(
    number: int, rows: Sequence[ExternalRow], codec: Codec | None, step_ends: StepEnds | None, version: int
) -> Group:
    if any(row.prompt != rows[0].prompt for row in rows):
        raise ForageError(
            f"Group {number} holds different prompts: the rows do not stand group by group as the trainer's sampler "
            "orders them. Is the number of generations the one that the trainer was given?"
        )
    if len({row.prefix for row in rows}) > 1:
        raise ForageError(
            f"Group {number} mixes starts: its rows continue different prefixes. Give all generations of a prompt one "
            "prefix, or the mean of the group compares starts instead of responses."
        )
    start = Start(_problem(number, rows[0]), rows[0].prefix, Origin.REPLAY if rows[0].prefix else Origin.POLICY)
    rollouts = tuple(_rollout(start, row, codec, step_ends, version) for row in rows)
    return Group(start, rollouts, tuple(row.score for row in rows))


def _problem(number: int, row: ExternalRow) -> Problem:
    """Two groups of one prompt are two problems here, since ids name the rows of a batch; the id begins alike."""
    fields = row.fields or {}
    prompt = row.prompt_text
    if not isinstance(prompt, str):
        prompt = tuple(Message(turn["role"], str(turn["content"])) for turn in prompt)
    digest = hashlib.blake2b(repr(prompt).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
    answer = fields.get("answer", fields.get("solution", fields.get("ground_truth", "")))
    return Problem(id=f"{digest}-{number}", prompt=prompt, answer=str(answer), task="external")


def _rollout(start: Start, row: ExternalRow, codec: Codec | None, step_ends: StepEnds | None, version: int) -> Rollout:
    tokens = row.completion[len(start.prefix) :]
    if not tokens:
        raise ForageError(
            f"A completion of problem {start.problem.id} has no token, so there is nothing to learn from."
        )
    if codec is None and (row.text is None or step_ends is not None):
        raise ForageError("The texts of these rows are needed, and there is no tokenizer to decode them with.")
    nothing = (float("nan"),) * len(tokens)
    ends: Sequence[int] = (len(tokens),)
    if step_ends is not None and codec is not None:
        ends = step_ends(codec.pieces(row.completion)[len(start.prefix) :])
    return Rollout(
        start=start,
        tokens=tokens,
        logprobs=nothing,
        entropies=nothing,
        text=codec.decode(row.completion) if codec is not None and row.text is None else row.text or "",
        step_ends=tuple(ends),
        stop="eos" if row.ended else "length",
        version=version,
    )
