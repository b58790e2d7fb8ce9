"""The signal of credit by perplexity, and its placebo."""

from dataclasses import replace
from typing import Any, cast

import torch

from forage.core.batch import Batch
from forage.parts.signals.perplexity import Perplexity
from laws import make_experience

TOOLS = cast(Any, None)


def column(signal: Perplexity, batch: Batch, seed: int = 0) -> torch.Tensor:
    found = signal([], batch, TOOLS, seed=seed)
    assert found.dtype == torch.float32
    assert (found[~batch.loss_mask] == 0).all()
    rows = [row[here].unique() for row, here in zip(found, batch.loss_mask, strict=True)]
    assert all(len(values) == 1 for values in rows)
    return torch.cat(rows)


def test_weights_are_standardized_among_the_judged_siblings() -> None:
    batch = make_experience().batch
    weight = column(Perplexity(), batch)
    assert (weight[batch.reward.isnan()] == 0).all()
    for number in batch.group.unique():
        judged = weight[(batch.group == number) & ~batch.reward.isnan()].double()
        assert abs(float(judged.mean())) < 1e-5
        assert abs(float(judged.std()) - 1) < 1e-4
    whole = column(Perplexity(scope="batch"), batch)[~batch.reward.isnan()].double()
    assert abs(float(whole.std()) - 1) < 1e-4


def test_what_the_sampler_could_not_measure_is_left_out() -> None:
    batch = make_experience().batch
    behaviour = batch.behaviour.clone()
    first = batch.loss_mask.int().argmax(dim=1)
    behaviour[torch.arange(len(batch)), first] = torch.nan
    assert column(Perplexity(), replace(batch, behaviour=behaviour)).isfinite().all()


def test_the_placebo_has_the_same_weights_in_each_group() -> None:
    batch = make_experience().batch
    true, dealt = column(Perplexity(), batch), column(Perplexity(permuted=True), batch, seed=5)
    assert not torch.equal(true, dealt)
    assert torch.equal(dealt, column(Perplexity(permuted=True), batch, seed=5))
    for number in batch.group.unique():
        here = (batch.group == number) & ~batch.reward.isnan()
        assert true[here].sort().values.tolist() == dealt[here].sort().values.tolist()
