"""Low-rank adapters (LoRA, arXiv 2106.09685) through `peft`: added, saved and loaded in its format, merged.

The layers are put into the module itself, so that everything that reads a module works unchanged: the sampler, the
vocabulary head, gradients. The weights below stay as they were, so the policy without its adapter is the reference.
"""

import importlib.util
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Policy
from forage.core.seeds import derive_seed

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = "default"


@dataclass(frozen=True, kw_only=True)
class Lora:
    """W + (alpha / rank) B A beside every linear layer but the vocabulary head, or beside `targets` alone.

    `targets` are ends of module names, as `q_proj`. A is drawn from `seed` and B begins at zero, so that the first
    policy is the model itself. No dropout: a rollout and its update must see one policy.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.alpha > 0:
            raise ForageError(f"An adapter needs a rank of 1 or more and alpha above 0, not {self.rank}, {self.alpha}.")


def is_adapter(path: str | Path) -> bool:
    """Whether a folder holds an adapter in peft's format, without the model below it."""
    return (Path(path) / CONFIG).is_file() and not (Path(path) / "config.json").is_file()


def base_of(path: Path) -> str:
    """The model that an adapter belongs to, as its configuration names it. Raises ForageError where it does not."""
    try:
        base = json.loads((path / CONFIG).read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForageError(f"The adapter {path} is damaged: {CONFIG} names no base model ({error}).") from error
    if not isinstance(base, str):
        raise ForageError(f"The adapter {path} does not say which model it belongs to (base_model_name_or_path).")
    return base


def add_adapter(module: PreTrainedModel, lora: Lora, *, base: str) -> None:
    """Puts fresh adapter layers into `module`; they alone can learn from now on, in float32. `base` names the model.

    Raises ForageError where peft is missing or the targets fit no layer.
    """
    config = _peft().LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        target_modules=list(lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
        base_model_name_or_path=base,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("adapter", lora.seed))
        _inject(module, config)


def load_adapter(module: PreTrainedModel, path: Path) -> None:
    """Puts the adapter that lies at `path` into `module`, bit for bit and ready to learn on.

    Raises ForageError where it does not fit the model.
    """
    peft = _peft()
    try:
        config = peft.PeftConfig.from_pretrained(str(path))
        if not isinstance(config, peft.LoraConfig):
            raise ForageError(f"The adapter {path} is of the kind {config.peft_type}; only LoRA can be used.")
        tensors = load_file(path / WEIGHTS)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ForageError(f"The adapter {path} could not be loaded: {_first_line(error)}") from error
    _inject(module, config)
    own = _adapter_tensors(module)
    given = {name.removeprefix("base_model.model."): tensor for name, tensor in tensors.items()}
    if set(own) != set(given) or any(own[name].shape != tensor.shape for name, tensor in given.items()):
        odd = sorted(set(own) ^ set(given)) or [name for name in own if own[name].shape != given[name].shape]
        raise ForageError(f"The adapter {path} does not belong to this model: {odd[0]} does not fit.")
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor)


def save_adapter(module: PreTrainedModel, directory: str | Path) -> None:
    """Writes the adapter as peft does: its configuration and its tensors under peft's names."""
    place = Path(directory)
    place.mkdir(parents=True, exist_ok=True)
    config = cast(Any, module).peft_config[NAME]
    training, config.inference_mode = config.inference_mode, True
    config.save_pretrained(str(place))
    config.inference_mode = training
    written = json.loads((place / CONFIG).read_bytes())
    if isinstance(written["target_modules"], list):
        # peft keeps a set, whose order changes from process to process: equal runs would differ in this file.
        written["target_modules"].sort()
    (place / CONFIG).write_text(json.dumps(written, indent=2, sort_keys=True))
    tensors = {f"base_model.model.{k}": v.detach().cpu().contiguous() for k, v in _adapter_tensors(module).items()}
    save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})


def has_adapter(module: PreTrainedModel) -> bool:
    return bool(getattr(module, "peft_config", None))


def merge_adapter(module: PreTrainedModel) -> None:
    """Adds the adapter into the weights below it and takes its layers out of `module`.

    Raises ForageError where a merged weight would not be finite.
    """
    for name, layer in _adapted(module):
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise ForageError(f"The adapter cannot be merged: {_first_line(error)}") from error
        parent, _, own = name.rpartition(".")
        setattr(module.get_submodule(parent), own, layer.get_base_layer())
    del cast(Any, module).peft_config


class BelowAdapter(Policy):
    """The policy without its adapter: what training began with, at no weights of its own. It cannot learn."""

    def __init__(self, policy: Policy, module: PreTrainedModel) -> None:
        self._policy, self._module = policy, module

    @property
    def version(self) -> int:
        return 0

    def measure(self, batch: Batch) -> Forward:
        with without_adapter(self._module):
            return self._policy.measure(batch)

    def improve(self, train: Any, loss: Any, *, seed: int) -> Mapping[str, float]:
        raise ForageError("The reference is the model below the adapter, and nothing changes it.")


@contextmanager
def without_adapter(module: PreTrainedModel) -> Iterator[None]:
    """The module computes what it did before it had an adapter."""
    layers = _adapted(module)
    for _, layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for _, layer in layers:
            layer.enable_adapters(True)


def _adapted(module: PreTrainedModel) -> list[tuple[str, Any]]:
    """The layers that an adapter lies beside, with their names."""
    kind = _peft().tuners.tuners_utils.BaseTunerLayer
    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, kind)]


def _inject(module: PreTrainedModel, config: Any) -> None:
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    config.inference_mode = False
    try:
        with warnings.catch_warnings(action="ignore"):  # GPT-2 keeps its weights transposed; peft says that it saw it
            _peft().inject_adapter_in_model(config, module, adapter_name=NAME)
    except (ValueError, TypeError) as error:
        raise ForageError(f"The adapter cannot be put into {type(module).__name__}: {_first_line(error)}") from error
    head = cast(Any, module.get_output_embeddings())
    if isinstance(head, _peft().tuners.tuners_utils.BaseTunerLayer):
        raise ForageError("The adapter has the vocabulary head among its targets, which cannot be adapted here.")
    for tensor in _adapter_tensors(module).values():
        tensor.data = tensor.data.float()
    module.eval()


def _adapter_tensors(module: PreTrainedModel) -> dict[str, Tensor]:
    """The adapter's own parameters by peft's names, which leave the adapter's name out."""
    return {
        name.replace(f".{NAME}.", "."): parameter
        for name, parameter in module.named_parameters()
        if f".{NAME}." in name and ".lora_" in name
    }


def _peft() -> Any:
    if importlib.util.find_spec("peft") is None:
        raise ForageError("Low-rank adapters need the package peft: pip install 'forage-rl[peft]'.")
    import peft

    return peft


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
