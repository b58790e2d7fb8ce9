"""The loop around the step: run directories, checkpoints, interruption, and resuming bit for bit.

A checkpoint holds the weights, the optimizer, the memory and the step number. Random numbers are derived from the seed
and the step, so there is no generator state to save: a resumed run repeats the steps after its last checkpoint exactly.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.interrupts import Interrupted, InterruptGate
from forage.core.protocols import Tools
from forage.core.serialize import decode_part, encode_part
from forage.core.spec import without_folders
from forage.engines.distributed.interrupts import interrupt_gate
from forage.engines.distributed.partition import divided
from forage.engines.distributed.process_group import ProcessGroup, RankLost
from forage.engines.distributed.torchrun import ensure_group
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.policy import NonFiniteUpdate
from forage.engines.optimization import Optimization
from forage.engines.out_of_memory import explain_out_of_memory
from forage.engines.turns import in_turns, with_turn_ends
from forage.engines.vllm.opening import open_sampler
from forage.parts.values import Metered, values_by_token
from forage.store.checkpoint import latest_intact, load_tensors, read_checkpoint, save_tensors, write_checkpoint
from forage.store.rollout_rows import rollout_rows
from forage.store.run_directory import RunDirectory
from forage.training.prompt_limits import check_held_out, within_limits
from forage.training.recipe import Recipe
from forage.training.step import Run, StepReport, step
from forage.training.watch import Watch
from forage.verification.judge import open_judge

TRAINING = "training"
"""The folder in a checkpoint that holds what only training needs."""

PROMPT_TOKENS = 512
"""How long prompts are taken to be where a recipe sets no limit and memory is divided."""

OnStep = Callable[[Mapping[str, float]], None]
"""Called with each step's metrics row."""


@dataclass(frozen=True)
class Outcome:
    """What a call of `train` or `resume` left behind. `finished` is False where it was interrupted."""

    path: Path
    step: int
    finished: bool


def train(
    recipe: Recipe, *, out: Path | str | None = None, on_step: OnStep | None = None, ranks: ProcessGroup | None = None
) -> Outcome:
    """Trains a recipe from its first step in a new run directory (`runs/...` unless `out` is given).

    Under `torchrun` its processes train together (`ranks`, where they are open already); the first of them writes and
    calls `on_step`. Raises ForageError where the directory exists. Ctrl-C saves a checkpoint and returns an unfinished
    outcome.
    """
    if not isinstance(recipe, Recipe):
        raise ForageError(f"Training takes a recipe, as in forage.train(recipes.countdown()), not {recipe!r}.")
    path = Path(out or default_directory(recipe))

    with ensure_group(ranks) as ranks:
        _refuse_divided_sampler(recipe, ranks)
        chosen = ranks.only_first(lambda: _choices(begin(recipe, path)))
        engine = decode_part(chosen["engine"], LocalEngine)
        optimization = decode_part(chosen["optimization"], Optimization)
        try:
            recipe = replace(recipe, engine=engine, optimization=optimization)
            return _run(recipe, RunDirectory(path), on_step, ranks)
        except ForageError as error:
            if ranks.first and not isinstance(error, RankLost):
                RunDirectory(path).remove_if_unused()  # so that it can be asked for again, put right, by the same name
            raise


def begin(recipe: Recipe, path: Path) -> Recipe:
    """A new run directory with this recipe, which `resume` trains; returns it with the engine's choices settled.

    Raises ForageError where the directory exists.
    """
    if recipe.sampler:
        recipe.sampler.require()
    settled = settle(recipe)
    RunDirectory.create(path, encode_part(settled))
    return settled


def settle(recipe: Recipe) -> Recipe:
    """The recipe with what depends on this machine decided: the matrix product, threads, tokens of a pass, rows."""
    engine, optimization = recipe.engine.fitted(
        recipe.optimization,
        recipe.model,
        positions=(recipe.max_prompt_tokens or PROMPT_TOKENS) + recipe.sampling.max_tokens,
        copies=int(recipe.critic is not None) + int(recipe.needs_reference and recipe.engine.adapter is None),
    )
    return replace(recipe, engine=engine.settled(), optimization=optimization)


def _choices(recipe: Recipe) -> dict[str, Any]:
    return {"engine": encode_part(recipe.engine), "optimization": encode_part(recipe.optimization)}


def resume(
    path: Path | str,
    *,
    on_step: OnStep | None = None,
    parallel: Literal["data", "fsdp"] | None = None,
    steps: int | None = None,
    ranks: ProcessGroup | None = None,
) -> Outcome:
    """Continues a run from its newest intact checkpoint, or from the start where there is none.

    Steps after that checkpoint are repeated with the same results (up to rounding, where the number of processes or
    `parallel` has changed); their old metrics and rollouts are replaced.

    With `steps` the run ends after so many, counted from its first, instead of after those that it was begun with; its
    recipe and restated.jsonl say so from then on. What a method made of the old number stays (the fractions of a replay
    schedule); all else is as if the run had been begun with the new one. Raises ForageError where it has taken more.
    """
    with ensure_group(ranks) as ranks:
        if steps is not None:
            ranks.only_first(partial(restated, Path(path), steps))
        recipe = open_recipe(Path(path))
        _refuse_divided_sampler(recipe, ranks)
        if parallel is not None:
            recipe = replace(recipe, engine=replace(recipe.engine, parallel=parallel))
        return _run(recipe, RunDirectory.open(Path(path)), on_step, ranks)


def restated(path: Path, steps: int) -> None:
    """Lets the run in `path` end after `steps` steps in all, as its recipe and restated.jsonl say from then on.

    Raises ForageError where it has taken more.
    """
    directory, recipe = RunDirectory.open(path), open_recipe(path)
    with directory.lock():
        newest = latest_intact(path / "checkpoints")
        done = int(newest.name.removeprefix("step-")) if newest else 0
        if steps < done:
            raise ForageError(f"{path} has taken {done} steps already, so it cannot end after {steps}.")
        changed = replace(recipe, schedule=replace(recipe.schedule, steps=steps))
        if changed != recipe:
            directory.restate(encode_part(changed), {"after": done, "steps": steps, "before": recipe.schedule.steps})


def open_recipe(path: Path) -> Recipe:
    """The recipe of a run directory. Raises ForageError where there is none or it cannot be read."""
    return decode_part(RunDirectory.open(path).recipe(), Recipe)


def default_directory(recipe: Recipe) -> Path:
    """`runs/NAME-METHODS-seedN`: readable, and the same for the same experiment, so nothing is trained twice unseen."""
    label = without_folders("+".join(recipe.methods)).replace(":", "-").replace("=", "").replace(",", "-")
    return Path("runs") / f"{recipe.name}-{label}-seed{recipe.seed}"


def _refuse_divided_sampler(recipe: Recipe, ranks: ProcessGroup) -> None:
    if recipe.sampler and ranks.world > 1:
        raise ForageError("vLLM samples for one training process: leave `torchrun` or the `sampler` vllm out.")


def _run(recipe: Recipe, directory: RunDirectory, on_step: OnStep | None, ranks: ProcessGroup) -> Outcome:
    advice = (
        "Begin a new run with fewer tokens in a pass of an update (`micro_tokens`, which changes gradients by rounding "
        "only), with fewer responses sampled at once (`rows`), with `gradient_checkpointing`, or with an adapter."
    )
    with explain_out_of_memory(advice):
        return _open_and_run(recipe, directory, on_step, ranks)


def _open_and_run(recipe: Recipe, directory: RunDirectory, on_step: OnStep | None, ranks: ProcessGroup) -> Outcome:
    with ExitStack() as stack:
        gate = interrupt_gate(ranks)
        stack.enter_context(gate.listening())  # first in, last out: nothing disturbs what is closed after an interrupt
        ranks.only_first(lambda: stack.enter_context(directory.lock()))
        latest = ranks.only_first(lambda: str(latest_intact(directory.path / "checkpoints") or ""))
        checkpoint = Path(latest) if latest else None
        engine = with_turn_ends(recipe.engine, recipe.task)
        opened = engine.open(
            str(checkpoint or recipe.model),
            reference=recipe.model if recipe.needs_reference else None,
            critic=recipe.critic,
            optimization=recipe.optimization,
            temperature=recipe.sampling.temperature,
            ranks=ranks,
        )
        problems = within_limits(
            recipe.task.problems("train"),
            opened.codec,
            max_prompt=recipe.max_prompt_tokens,
            max_tokens=recipe.sampling.max_tokens,
            context=opened.context,
        )
        check_held_out(
            recipe.task,
            opened.codec,
            max_prompt=recipe.max_prompt_tokens,
            max_tokens=recipe.sampling.max_tokens,
            context=opened.context,
        )
        memory = recipe.memory.open(problems, seed=recipe.seed)
        judge = stack.enter_context(open_judge(recipe.task, recipe.verifying))
        policy, sampler = stack.enter_context(open_sampler(recipe.sampler, opened, engine))
        sampler, given = in_turns(sampler, opened, engine, recipe.task)
        meter = Metered(sampler, ranks.total)
        tools = Tools(
            opened.codec,
            meter,
            judge,
            opened.reference,
            opened.critic,
            rewards=recipe.rewards,
            visits=memory.visits,
            policy=opened.policy,
            context=opened.context,
            given=given,
        )
        tools = divided(tools, ranks)
        watch = Watch(vocabulary=opened.policy.model.head.weight.shape[0])
        run = Run(recipe, policy, memory, tools, meter, gate, watch=watch)
        done = _restore(run, opened, checkpoint) if checkpoint else 0
        ranks.only_first(lambda: directory.truncate_metrics(done))
        return _loop(run, opened, directory, gate, done, on_step, ranks)


def _loop(
    run: Run,
    opened: Opened,
    directory: RunDirectory,
    gate: InterruptGate,
    done: int,
    on_step: OnStep | None,
    ranks: ProcessGroup,
) -> Outcome:
    """Steps until the end or an interruption; either way the last thing written is a checkpoint.

    An interrupted step has changed nothing but the memory's draws, so the checkpoint takes the memory from before it.
    Where a change itself was broken off, by whatever error, nothing is saved.
    """
    schedule = run.recipe.schedule
    saved, memory = done, run.memory.state()
    try:
        while not schedule.ended(done, run.tokens):
            report = step(run, done + 1)
            done, memory = done + 1, run.memory.state()
            ranks.only_first(partial(_write_step, directory, run, report, done, on_step))
            if _due(run, done, schedule.checkpoint_every):
                _save(directory, run, opened, done, memory, ranks)
                saved = done
            gate.reopen()
    except KeyboardInterrupt as error:
        if gate.broken:
            raise Interrupted(
                "Interrupted in the middle of an update, so nothing since the last checkpoint is saved. "
                f"Go on from there with: forage resume {directory.path}"
            ) from error
        with gate:
            if saved < done or not done:
                _save(directory, run, opened, done, memory, ranks)
        return Outcome(directory.path, done, finished=schedule.ended(done, run.tokens))
    except NonFiniteUpdate as error:
        if ranks.first:
            directory.write_offending(done + 1, error.train)
        raise
    return Outcome(directory.path, done, finished=True)


def _due(run: Run, number: int, every: int) -> bool:
    return run.recipe.schedule.ended(number, run.tokens) or (every > 0 and number % every == 0)


def _write_step(directory: RunDirectory, run: Run, report: StepReport, number: int, on_step: OnStep | None) -> None:
    every = run.recipe.schedule.rollouts_every
    if _due(run, number, every) or (every > 0 and number == 1):  # those of the first step are the untrained model's
        train, batch = report.train, report.train.batch
        signals = train.experience.signals
        values = signals.get("value", signals.get("step_value"))
        if values is None:
            values = values_by_token(report.groups, batch.loss_mask, run.tools, run.recipe.task)
        rows = rollout_rows(
            report.groups, train.advantage, batch.entropy, batch.loss_mask, number, run.tools.codec, values=values
        )
        directory.write_rollouts(number, rows)
    directory.append_metrics(dict(report.metrics))
    if on_step:
        on_step(report.metrics)


def _save(
    directory: RunDirectory, run: Run, opened: Opened, number: int, memory: dict[str, Any], ranks: ProcessGroup
) -> None:
    tensors, numbers = opened.policy.optimizer_state()  # all processes: each may hold a part

    def write(path: Path) -> None:
        opened.policy.save(path)
        # In a folder of its own: some engines load every safetensors file that lies beside the weights.
        (path / TRAINING).mkdir()
        save_tensors(path / TRAINING / "optimizer.safetensors", tensors)
        state = {"step": number, "tokens": run.tokens, "memory": memory, "policy": numbers}
        (path / TRAINING / "state.json").write_text(json.dumps(state))

    def save() -> None:
        write_checkpoint(directory.path / "checkpoints", number, write, keep=run.recipe.schedule.keep_checkpoints)

    ranks.only_first(save)


def _restore(run: Run, opened: Opened, checkpoint: Path) -> int:
    """Puts a checkpoint's state into the run; returns the step it was saved after. The weights are loaded already."""
    read_checkpoint(checkpoint)
    state = json.loads((checkpoint / TRAINING / "state.json").read_text())
    opened.policy.restore_optimizer(_optimizer_tensors(checkpoint / TRAINING), state["policy"])
    run.memory.restore(state["memory"])
    run.tokens = int(state["tokens"])
    return int(state["step"])


def _optimizer_tensors(folder: Path) -> dict[str, Tensor]:
    """The optimizer's tensors; version 0.1.0 spelled the file, and a critic's part of it, the British way."""
    file = folder / "optimizer.safetensors"
    tensors = load_tensors(file if file.exists() else folder / "optimiser.safetensors")
    return {name.replace("optimiser.", "optimizer."): tensor for name, tensor in tensors.items()}
