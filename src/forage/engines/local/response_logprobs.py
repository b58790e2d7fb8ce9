"""How likely a model is to answer with each of many responses: their tree is read once, level by level.

Axes: n nodes of one level, V vocabulary.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor
from transformers import DynamicCache

from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel

ROWS = 4096
"""Nodes of one level that are read at once, about: it bounds the memory."""

Tokens = tuple[int, ...]


def response_logprobs(
    model: LocalModel,
    prompts: Sequence[Tokens],
    responses: Sequence[Sequence[Tokens]],
    *,
    temperature: float = 1.0,
) -> list[Tensor]:
    """For each prompt the log-probability of each of its responses: float64, in their order.

    A response is all its tokens, the one that ends it included. Beginnings that several responses share are read once.
    Raises ForageError for a temperature that is not positive.
    """
    if temperature <= 0:
        raise ForageError(f"Chances of responses need a temperature above 0, not {temperature}.")
    results: list[Tensor] = [torch.empty(0)] * len(prompts)
    for block in _blocks(prompts, responses):
        trees = [_tree(responses[number]) for number in block]
        block_logprobs = _read(model, torch.tensor([prompts[number] for number in block]), trees, temperature)
        for number, chances in zip(block, block_logprobs, strict=True):
            results[number] = torch.tensor([chances[each] for each in responses[number]], dtype=torch.float64)
    return results


@dataclass(slots=True)
class _Node:
    """A beginning of responses; `children` by their token."""

    path: Tokens = ()
    children: dict[int, "_Node"] = field(default_factory=dict)


def _tree(responses: Sequence[Tokens]) -> _Node:
    root = _Node()
    for response in responses:
        node = root
        for token in response:
            node = node.children.setdefault(token, _Node((*node.path, token)))
    return root


def _blocks(prompts: Sequence[Tokens], responses: Sequence[Sequence[Tokens]]) -> Iterator[list[int]]:
    """Numbers of prompts of equal length: their tokens need no padding."""
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for _, same in groupby(order, key=lambda number: len(prompts[number])):
        block: list[int] = []
        rows = 0
        for number in same:
            if block and rows + len(responses[number]) > ROWS:
                yield block
                block, rows = [], 0
            block.append(number)
            rows += len(responses[number])
        yield block


@torch.inference_mode()
def _read(model: LocalModel, prompts: Tensor, trees: Sequence[_Node], temperature: float) -> list[dict[Tokens, float]]:
    """The log-probability of every node below each tree's root, by its path."""
    logprobs: list[dict[Tokens, float]] = [defaultdict(float) for _ in trees]
    cache = DynamicCache(config=model.config)
    hidden = model.decoder(prompts.to(model.device), past_key_values=cache, use_cache=True)[:, -1]
    level = list(enumerate(trees))
    while level:
        parents = [row for row, (_, node) in enumerate(level) for _ in node.children]
        tokens = [token for _, node in level for token in node.children]
        logp = (model.head.logits(hidden).double() / temperature).log_softmax(-1)
        values = logp[torch.tensor(parents), torch.tensor(tokens)].tolist() if parents else []
        below = [(tree, child) for tree, node in level for child in node.children.values()]
        for row, (tree, child), value in zip(parents, below, values, strict=True):
            logprobs[tree][child.path] = logprobs[tree][level[row][1].path] + value
        inner = [number for number, (_, child) in enumerate(below) if child.children]
        level = [below[number] for number in inner]
        if level:
            cache.batch_select_indices(torch.tensor([parents[number] for number in inner], device=model.device))
            step = torch.tensor([tokens[number] for number in inner], device=model.device)
            position = torch.full((len(inner), 1), cache.get_seq_length(), device=model.device)
            hidden = model.decoder(step[:, None], position_ids=position, past_key_values=cache, use_cache=True)[:, 0]
    return logprobs
