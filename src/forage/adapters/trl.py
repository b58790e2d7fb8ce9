"""TRL: `shaped(GRPOTrainer, shapes=[EntropyBonus()])` is a GRPOTrainer whose credit has this package's parts in it.

The subclass calls TRL's own methods and changes what they return; nothing of TRL is copied. Shapes of the moment
"update" are applied to a copy of the advantages inside `_compute_loss`, between TRL's forward pass and its reading of
the advantages, so no forward is added and the buffered advantages never change.
"""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from forage.adapters.parts import Parts, as_parts
from forage.adapters.rows import ExternalRow, StepEnds, batch_of, groups_of, on_completions, tools_of
from forage.adapters.trl_rules import CALLED, generation_interval, refuse_settings
from forage.adapters.window import require_methods, require_version
from forage.core.batch import Experience
from forage.core.errors import ForageError
from forage.core.protocols import Assign, Baseline, Reward, Shape, Signal
from forage.core.records import UNJUDGED, Group, Score
from forage.core.seeds import derive_seed
from forage.engines.local.codec import LocalCodec
from forage.ops.masked import masked
from forage.parts.signals import measure

LEAST, BELOW = (1, 16), (1, 17)
"""The window of TRL versions that this adapter was written for."""

SIGNAL = "forage_signal_"
JUDGED = "forage_judged"
"""Keys in TRL's batch of rows, which TRL shuffles and splits with its own."""

Mode = Callable[[Mapping[str, Any], str], str | None]
"""(row of the data, text of a right completion) -> which right answer, or which way to it, that is (`Task.mode`)."""


def shaped(
    trainer: type,
    *,
    parts: Parts | None = None,
    shapes: Sequence[Shape] = (),
    baseline: Sequence[Baseline] | None = None,
    rewards: Sequence[Reward] = (),
    signals: Sequence[Signal] = (),
    assign: Assign | None = None,
    verdict: str | None = None,
    mode: Mode | None = None,
    step_ends: StepEnds | None = None,
) -> type:
    """A subclass of `trainer` (TRL's GRPOTrainer or one derived from it) with these parts; it is used as its base is.

    `parts` (see `parts_of`) or the single ones: `shapes` move the credit among tokens, `rewards` see whole groups
    before any mean is taken, `baseline` is a chain that replaces TRL's estimator (None keeps it), `assign` places what
    an estimator says, and `signals` are those that shapes read beside the built-in ones. `verdict` is the name of the
    reward function whose value of 1/2 and more means a right completion; it is needed where there are several.

    Raises ForageError for versions of TRL outside the window, and, when the trainer is made, for settings under which
    TRL would read advantages per token as something else.
    """
    require_version("trl", LEAST, BELOW)
    require_methods(trainer, CALLED)
    single = as_parts(shapes, baseline, rewards, signals, assign)
    if parts is not None and single != Parts():
        raise ForageError("Give either parts= or the single ones (shapes=, rewards=, ...), not both.")
    members = {
        "forage_parts": parts or single,
        "forage_verdict": verdict,
        "forage_mode": staticmethod(mode) if mode else None,
        "forage_step_ends": staticmethod(step_ends) if step_ends else None,
    }
    return type(f"Shaped{trainer.__name__}", (_Shaped, trainer), members)


def forage_added(completions: Sequence[Any], **columns: Any) -> list[float]:
    """Stands among TRL's reward functions for what reward parts add; the trainer fills it in for whole groups."""
    return [0.0] * len(completions)


class LateAdvantages(dict[str, Any]):
    """A batch of TRL's whose advantages are shaped in the moment they are read."""

    def __init__(self, rows: Mapping[str, Any], shape: Callable[[Tensor], Tensor]) -> None:
        super().__init__(rows)
        self._shape = shape
        self.reads = 0

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key != "advantages":
            return value
        self.reads += 1
        return self._shape(value)


class _Shaped:
    """What `shaped` puts before the trainer. Everything of TRL's is reached through `super()`."""

    forage_parts: Parts
    forage_verdict: str | None
    forage_mode: Mode | None
    forage_step_ends: StepEnds | None

    # What the trainer's side of the class has.
    model: Any
    args: Any
    state: Any
    accelerator: Any
    num_generations: int
    reward_weights: Tensor
    reward_func_names: list[str]
    eos_token_ids: Any
    _tokenizer: Any
    _metrics: Any

    def __init__(self, model: Any, reward_funcs: Any = None, args: Any = None, *positional: Any, **named: Any) -> None:
        self._sampled_entropy: Tensor | None = None
        self._current_entropy: Tensor | None = None
        self._asks_entropy = False
        self._drawn: tuple[Any, Any, Any] = ((), (), None)
        self._rows: list[ExternalRow] = []
        self._groups: tuple[Group, ...] = ()
        self._value: Tensor | None = None
        refuse_settings(self.forage_parts, args)
        if self.forage_parts.rewards:
            functions = reward_funcs if isinstance(reward_funcs, list) else [reward_funcs] if reward_funcs else []
            reward_funcs = [*functions, forage_added]
            if args is not None and args.reward_weights is not None:
                args = copy.copy(args)
                args.reward_weights = [*args.reward_weights, 1.0]
        cast(Any, super()).__init__(model, reward_funcs, args, *positional, **named)
        refuse_settings(self.forage_parts, self.args)
        self._codec = LocalCodec(self._tokenizer)
        if self.forage_parts.rewards:
            names = [name for name in self.reward_func_names if name != forage_added.__name__]
            if self.forage_verdict is None and len(names) > 1:
                raise ForageError(
                    f"Which reward function says whether a completion is right? Give verdict=: {', '.join(names)}."
                )
            self.forage_verdict = self.forage_verdict or (names[0] if names else None)
            if self.forage_verdict not in names:
                raise ForageError(
                    f"verdict={self.forage_verdict!r} is none of the reward functions: {', '.join(names)}."
                )

    # ------------------------------------------------------------------------------------------- before the updates

    def _generate(self, prompts: list[Any]) -> Any:
        generated = cast(Any, super())._generate(prompts)
        self._drawn = (generated[0], generated[1], generated[2])
        return generated

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        matrix = cast(Any, super())._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        parts = self.forage_parts
        if parts.rewards:
            own = matrix[:, :-1]
            matrix[:, -1] = torch.nan
        else:
            own = matrix
        value = (own * self.reward_weights[: own.shape[1]].to(own.device)).nansum(dim=1)
        value[own.isnan().all(dim=1)] = torch.nan
        if self.model.training and (parts.rewards or parts.settles):
            local = self._local(matrix)
            self._rows = self._external_rows(inputs, prompts, own[local], value[local])
            self._groups = groups_of(
                self._rows,
                self.num_generations,
                self._codec,
                step_ends=self.forage_step_ends,
                version=self.state.global_step,
            )
            if parts.rewards:
                self._groups = tuple(_rewarded(group, parts.rewards) for group in self._groups)
                scores = [score.value for group in self._groups for score in group.scores]
                changed = self.accelerator.gather(torch.tensor(scores, dtype=value.dtype, device=value.device))
                matrix[:, -1] = changed - value
                value = changed
        self._value = value
        return matrix

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        parts = self.forage_parts
        self._sampled_entropy, self._asks_entropy = None, parts.sampled_entropy and self.model.training
        try:
            out = cast(Any, super())._generate_and_score_completions(inputs)
        finally:
            self._asks_entropy = False
        if self.model.training and parts.settles:
            self._settle(out)
        if self.model.training and parts.credit.update_shapes:
            value = self._value
            assert value is not None
            out[JUDGED] = ~value[self._local(value)].isnan()
        return out

    def _settle(self, out: dict[str, Any]) -> None:
        """Replaces the advantages of TRL by settled ones (B, C), and adds the signals that late shapes will read."""
        parts = self.forage_parts
        trl, mask = out["advantages"], _loss_mask(out)
        assert self._value is not None
        value = self._value[self._local(self._value)]
        reward = value if parts.baselines is not None else trl.masked_fill(value.isnan(), torch.nan)
        entropy = self._entropy_of(out) if parts.sampled_entropy else None
        batch = batch_of(self._groups, self._rows, mask, reward, entropy)
        seed = derive_seed(self.args.seed, "trl", self.state.global_step, self.accelerator.process_index)
        needs = parts.credit.needs if parts.sampled_entropy else parts.credit.needs - {"entropy"}
        measured = measure(self._groups, batch, needs, parts.signals, tools_of(self._codec), seed=seed)
        settled = parts.credit(Experience(batch, measured.signals)).advantage
        width = mask.shape[1]
        out["advantages"] = on_completions(settled, self._rows, width).to(trl.device, trl.dtype)
        for name in parts.late_needs:
            out[SIGNAL + name] = on_completions(measured.signals[name], self._rows, width).to(trl.device)
        size = trl.abs().mean().clamp_min(1e-12)
        moved = (masked(out["advantages"] - trl[:, None], mask).abs().sum() / mask.sum().clamp_min(1)) / size
        self._metrics["train"]["forage/credit_moved"].append(self.accelerator.gather(moved).mean().item())

    # ------------------------------------------------------------------------------------------------- in an update

    def _get_per_token_logps_and_entropies(self, model: Any, *positional: Any, **named: Any) -> Any:
        asks = self._asks_entropy and model is self.model  # not a reference model, whose head computes no entropy
        if asks:
            named["compute_entropy"] = True
        outputs = cast(Any, super())._get_per_token_logps_and_entropies(model, *positional, **named)
        if asks and self._sampled_entropy is None:
            self._sampled_entropy = outputs[1].detach()  # TRL asks for the sampling policy first, where it asks at all
        elif outputs[1] is not None:
            self._current_entropy = outputs[1].detach()
        return outputs

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        if not self.forage_parts.credit.update_shapes or not self.model.training:
            return cast(Any, super())._compute_loss(model, inputs)
        self._current_entropy = None
        view = LateAdvantages(inputs, lambda advantages: self._shape_late(advantages, inputs))
        loss = cast(Any, super())._compute_loss(model, view)
        if view.reads != 1:
            raise ForageError(
                f"TRL read the advantages {view.reads} times in one loss; this adapter is written for once. Another "
                "subclass or a patched TRL changed the loss: nothing is shaped reliably, so training stops here."
            )
        return loss

    def _shape_late(self, advantages: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        """A shaped copy, (B, C), from the entropies of the forward pass that TRL has just made."""
        if self._current_entropy is None:
            raise ForageError(
                "TRL read the advantages before its forward pass, so the current entropy is unknown and shapes of the "
                'moment "update" cannot work. Use at="sampling", or the version of TRL this adapter is for.'
            )
        mask = _loss_mask(inputs) & inputs[JUDGED][:, None]
        plain = advantages if advantages.dim() == 2 else advantages[:, None].expand(mask.shape)
        signals = {name.removeprefix(SIGNAL): inputs[name] for name in inputs if name.startswith(SIGNAL)}
        signals["entropy"] = masked(self._current_entropy, mask)
        result, tallies = masked(plain, mask), {}
        for shape in self.forage_parts.credit.update_shapes:
            tallies.update(shape.tallies(result, signals, mask))
            result = masked(shape(result, signals, mask), mask)
        self._log_shapes(tallies, (result - masked(plain, mask)).abs().sum(), masked(plain, mask).abs().sum())
        return result.to(advantages.dtype)

    # ------------------------------------------------------------------------------------------------------ resuming

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._inside_generation(self.state.global_step) and self.state.global_step < self.state.max_steps:
            warnings.warn(
                f"Checkpoint {self.state.global_step} lies inside a generation batch, whose completions TRL does not "
                f"save: it cannot be resumed from. Save every {generation_interval(self.args)} steps or a multiple.",
                stacklevel=2,
            )
        cast(Any, super())._save_checkpoint(model, trial)

    def _load_optimizer_and_scheduler(self, checkpoint: Any) -> None:
        cast(Any, super())._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and self._inside_generation(self.state.global_step):
            raise ForageError(
                f"{checkpoint} was saved inside a generation batch: TRL does not save that batch's completions, so "
                "a resumed run would silently train on others. Resume from a checkpoint whose step is a multiple of "
                f"{generation_interval(self.args)}."
            )

    # ----------------------------------------------------------------------------------------------------- the parts

    def _inside_generation(self, step: int) -> bool:
        return step % generation_interval(self.args) != 0

    def _local(self, rows: Tensor) -> slice:
        """The rows of this process among those of all processes."""
        count = len(rows) // self.accelerator.num_processes
        return slice(self.accelerator.process_index * count, (self.accelerator.process_index + 1) * count)

    def _external_rows(self, inputs: Any, prompts: Any, matrix: Tensor, value: Tensor) -> list[ExternalRow]:
        prompt_ids, completion_ids, given = self._drawn
        rows = []
        for number, (ids, completion) in enumerate(zip(prompt_ids, completion_ids, strict=True)):
            row = ExternalRow(
                prompt=tuple(ids),
                completion=tuple(completion),
                score=UNJUDGED,
                given=0 if given is None else _leading_zeros(given[number]),
                ended=completion[-1] in self.eos_token_ids,
                prompt_text=prompts[number],
                fields=inputs[number],
            )
            rows.append(replace(row, score=self._score(row, matrix[number], float(value[number]))))
        return rows

    def _score(self, row: ExternalRow, values: Tensor, value: float) -> Score:
        named = dict(zip(self.reward_func_names, values.tolist(), strict=False))
        parts = {name: each for name, each in named.items() if each == each}
        if self.forage_verdict is not None and self.forage_verdict in parts:
            parts["correct"] = float(parts[self.forage_verdict] >= 0.5)
        score = Score(value, parts)
        if self.forage_mode is None or not score.correct:
            return score
        return Score(value, parts, mode=self.forage_mode(row.fields or {}, self._codec.decode(row.completion)))

    def _entropy_of(self, out: Mapping[str, Any]) -> Tensor:
        """(B, C) of the policy that sampled: from the pass that TRL made anyway, or from one of our own."""
        if "old_per_token_logps" in out and self._sampled_entropy is not None:
            return self._sampled_entropy
        ids = torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1)
        attention = torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1)
        with torch.no_grad():
            _, entropy, _ = self._get_per_token_logps_and_entropies(
                self.model,
                ids,
                attention,
                out["completion_ids"].shape[1],
                batch_size=self.args.per_device_train_batch_size,
                compute_entropy=True,
            )
        return entropy

    def _log_shapes(self, tallies: Mapping[str, tuple[Tensor, Tensor]], moved: Tensor, size: Tensor) -> None:
        for name, (total, count) in {**tallies, "bonus_share": (moved, size)}.items():
            both = self.accelerator.reduce(torch.stack([total.float(), count.float()]), reduction="sum")
            self._metrics["train"][f"forage/{name}"].append((both[0] / both[1].clamp_min(1e-12)).item())


def _rewarded(group: Group, rewards: Sequence[Reward]) -> Group:
    scores = group.scores
    for reward in rewards:
        scores = reward(group.rollouts, scores)
    return Group(group.start, group.rollouts, scores)


def _loss_mask(rows: Mapping[str, Any]) -> Tensor:
    """(B, C) bool: the tokens that TRL's loss counts."""
    mask = rows["completion_mask"]
    return (mask if "tool_mask" not in rows else mask * rows["tool_mask"]).bool()


def _leading_zeros(mask: Sequence[int]) -> int:
    return next((place for place, own in enumerate(mask) if own), len(mask))
