"""A reward model: a Hugging Face sequence classifier that gives a whole response one number.

It reads text, not the policy's tokens, so a policy can learn from a reward model of any tokenizer and architecture.

Axes: N responses.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from forage.core.errors import ForageError
from forage.core.records import Message
from forage.core.seeds import derive_seed
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import DTYPES, first_line, load_tokenizer, put_on, source_of, suppress_hf_logs
from forage.engines.local.placement import micro_batches
from forage.engines.local.positions import within_positions
from forage.ops.weight_average import average_weights

RECORD = "reward_model.json"
"""Beside the weights: how the model was trained. Classifiers of other programs have none, and load as well."""

FORMAT = "forage rm model 1"
MICRO_TOKENS = 16_384

Prompt = str | tuple[Message, ...]


class RewardModel:
    """A sequence classifier with one output, in evaluation mode, and its tokenizer.

    The reward stands behind the last token. A classifier takes for this the last one that is not its padding, so where
    padding and end are one token it reads a finished response at the token before its end. That is kept for an
    `external` model, which learned so elsewhere; for all others, and for one that names no padding, every token counts.
    """

    def __init__(
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        about: Mapping[str, Any] | None = None,
        *,
        external: bool = False,
    ) -> None:
        self.module, self.tokenizer, self.about = module, tokenizer, dict(about or {})
        self._codec = LocalCodec(tokenizer)
        self._end = cast(int | None, tokenizer.eos_token_id)
        self._vocabulary = int(cast(Any, module.get_input_embeddings()).weight.shape[0])
        self._config: Any = module.config.get_text_config()
        self._skips_padding = external and self._config.pad_token_id is not None
        if not self._skips_padding:
            self._config.pad_token_id = self._padding()
        module.eval()

    @classmethod
    def from_causal(cls, path: Path, *, seed: int = 0, dtype: str = "float32", device: str = "cpu") -> "RewardModel":
        """A reward model that is not trained yet: the body of a causal model under a new head, drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("reward head", seed))
            return cls._open(path, new_head=True, dtype=dtype, device=device)

    @classmethod
    def load(cls, path: Path, *, dtype: str = "float32", device: str = "cpu") -> "RewardModel":
        """Loads what `save` wrote, or another program's classifier with one label.

        Raises ForageError where the folder holds something else, such as a model that generates text.
        """
        return cls._open(path, new_head=False, dtype=dtype, device=device)

    @classmethod
    def _open(cls, path: Path, *, new_head: bool, dtype: str, device: str) -> "RewardModel":
        if dtype not in DTYPES:
            raise ForageError(f"The number format {dtype!r} is not one of {', '.join(DTYPES)}.")
        source = source_of(path)
        tokenizer = load_tokenizer(source, trust_remote_code=False)
        try:
            with suppress_hf_logs():
                module, report = cast(Any, AutoModelForSequenceClassification).from_pretrained(
                    source, num_labels=1, dtype=DTYPES[dtype], output_loading_info=True
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ForageError(f"The reward model {path} could not be loaded: {first_line(error)}") from error
        missing = sorted(report["missing_keys"])
        if missing and not new_head:
            raise ForageError(
                f"{path} is no reward model: it lacks {', '.join(missing[:3])}. Make one with `forage rm train`."
            )
        external = not new_head and not (path / RECORD).is_file()
        return cls(put_on(module, device), tokenizer, read_record(path), external=external)

    @property
    def device(self) -> torch.device:
        return self.module.device

    def save(self, directory: Path) -> None:
        """An ordinary Hugging Face checkpoint of a classifier, with a record of `about` beside it."""
        with suppress_hf_logs():
            self.module.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        (directory / RECORD).write_text(json.dumps({"format": FORMAT, "about": self.about}, indent=1) + "\n")

    def encode(self, prompt: Prompt, response: str, *, finished: bool = True) -> tuple[int, ...]:
        """The tokens of a prompt and a response; a finished response is closed by the end token.

        Raises ForageError for text that the tokenizer cannot read.
        """
        try:
            tokens = list(self._codec.encode_prompt(prompt))
            tokens += cast(list[int], self.tokenizer(response, add_special_tokens=False)["input_ids"])
        except ForageError:
            raise
        except Exception as error:  # tokenizers raises bare exceptions
            raise ForageError(
                f"The reward model's tokenizer cannot read {response[:60]!r} after its prompt: {first_line(error)}."
            ) from error
        if finished and self._end is not None:
            tokens.append(self._end)
        return tuple(tokens)

    def rewards(self, responses: Sequence[Sequence[int]]) -> Tensor:
        """(N,) float32: the rewards of responses that `lay` laid out, in one pass, with gradients."""
        width = max(map(len, responses))
        within_positions(self._config, width)
        filler = int(self._config.pad_token_id) if self._skips_padding else self._filler(responses)
        tokens = torch.full((len(responses), width), filler, dtype=torch.int64)
        mask = torch.zeros((len(responses), width), dtype=torch.int64)
        for row, response in enumerate(responses):
            tokens[row, : len(response)] = torch.tensor(response)
            mask[row, : len(response)] = 1
        named, self._config.pad_token_id = self._config.pad_token_id, filler
        try:
            output = cast(Any, self.module)(input_ids=tokens.to(self.device), attention_mask=mask.to(self.device))
        finally:
            self._config.pad_token_id = named
        return output.logits[:, 0].float()

    def _padding(self) -> int:
        """The padding that a checkpoint names: not the end token, so that other programs read behind it as well."""
        candidates = (self._config.pad_token_id, self.tokenizer.pad_token_id, self.tokenizer.unk_token_id)
        for token in (*candidates, self._vocabulary - 1):
            if isinstance(token, int) and token != self._end and 0 <= token < self._vocabulary:
                return token
        return 0

    def _filler(self, responses: Sequence[Sequence[int]]) -> int:
        """What fills short rows up: the padding, or another token where a response ends with it."""
        lasts = {response[-1] for response in responses if response}
        if self._config.pad_token_id not in lasts:
            return int(self._config.pad_token_id)
        return next((token for token in range(self._vocabulary) if token not in lasts), 0)

    @torch.no_grad()
    def score(self, responses: Sequence[Sequence[int]]) -> list[float]:
        """The rewards of any number of responses, a few at a time."""
        scores = [0.0] * len(responses)
        lengths = torch.tensor([len(response) for response in responses], dtype=torch.int64)
        for index, _ in micro_batches(lengths, MICRO_TOKENS) if responses else ():
            rewards = self.rewards([responses[row] for row in index.tolist()]).cpu().tolist()
            for row, reward in zip(index.tolist(), rewards, strict=True):
                scores[row] = reward
        return scores


def average(models: Sequence[RewardModel]) -> RewardModel:
    """One reward model whose weights are the mean of those of `models` (WARM, arXiv 2401.12187, section 3).

    The first model is changed in place and returned. Numbers that are not floating-point are not averaged: they must
    be equal. Raises ForageError for models of different shapes.
    """
    if not models:
        raise ForageError("An average needs at least one reward model.")
    states = [model.module.state_dict() for model in models]
    for name, value in average_weights(states).items():
        states[0][name].copy_(value)
    return models[0]


def check_reward_model(path: Path) -> None:
    """Raises ForageError where a folder holds no sequence classifier with one label, without loading its weights."""
    try:
        config = json.loads((path / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ForageError(f"The configuration of {path} cannot be read: {error}.") from error
    kinds = config.get("architectures") or []
    if not any("SequenceClassification" in str(kind) for kind in kinds):
        raise ForageError(
            f"{path} is no reward model but a {', '.join(map(str, kinds)) or 'model of no known kind'}: train one from "
            "it with `forage rm train`."
        )


def read_record(path: Path) -> dict[str, Any]:
    """How a reward model was trained; empty where its folder does not say. Raises ForageError for a damaged record."""
    file = path / RECORD
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text())["about"])
    except (ValueError, KeyError, TypeError) as error:
        raise ForageError(f"{file} is damaged ({error}); train the reward model again.") from error
