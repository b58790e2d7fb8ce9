"""The gates of a policy that thinks partly in embeddings (HRPO, arXiv 2505.18454), kept beside a checkpoint.

Axes: N tokens, B sequences, T tokens, V vocabulary, d width of an embedding.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from forage.core.errors import ForageError
from forage.core.protocols import Codec
from forage.core.seeds import derive_seed
from forage.core.serialize import decode_part, encode_part
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local import acceptance
from forage.engines.local.codec import UNDECODED
from forage.engines.local.model import LocalModel
from forage.engines.local.stop_strings import EndTexts
from forage.evaluation.fingerprint import GATES
from forage.ops.latent_thinking import blended_embedding, decay_parameter, expected_embedding, kept_share
from forage.store.checkpoint import load_tensors, save_tensors

WEIGHTS, SETTINGS = "gates.safetensors", "gates.json"


class LatentGates(nn.Module):
    """r = sigma(W_r e + b_r), i = sigma(W_i e + b_i) and Lam, in float32 whatever the model computes in."""

    def __init__(self, width: int, settings: HybridThinking) -> None:
        super().__init__()
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("latent gates", settings.seed))
            self.reset, self.inject = nn.Linear(width, width), nn.Linear(width, width)
            least = torch.empty(width).uniform_(settings.lambda_min, settings.lambda_max)
        self.decay = nn.Parameter(decay_parameter(least.clamp(settings.lambda_min, settings.lambda_max)))

    def kept(self, embedding: Tensor) -> Tensor:
        """embedding (..., d) -> a, (..., d) float32."""
        return kept_share(self.decay, torch.sigmoid(self.reset(embedding.float())))

    def forward(self, embedding: Tensor, expected: Tensor) -> Tensor:
        """Of tokens (..., d), and what was expected in their places -> what is read, in the format of `embedding`."""
        plain = embedding.float()
        inject = torch.sigmoid(self.inject(plain))
        return blended_embedding(plain, expected, self.kept(plain), inject).to(embedding.dtype)

    def save(self, directory: Path) -> None:
        folder = directory / GATES
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / WEIGHTS, self.state_dict())
        (folder / SETTINGS).write_text(json.dumps(encode_part(self.settings), indent=1) + "\n")


def embedded(model: LocalModel, tokens: Tensor) -> Tensor:
    """tokens (...) int64 -> (..., d), as the module embeds them."""
    return cast(Any, model.module.get_input_embeddings())(tokens)


def has_gates(path: str | Path) -> bool:
    """Whether there are gates beside a checkpoint."""
    return (Path(path) / GATES).is_dir()


def open_gates(path: str | Path, model: LocalModel, fresh: HybridThinking | None) -> LatentGates | None:
    """The gates beside a checkpoint, or fresh ones where it has none; None where neither is asked for.

    What is not where gates begin (the marker, learning rates) is as `fresh` says, where it is given.

    Raises ForageError for gates that cannot be read or do not fit, and for a model that cannot read embeddings.
    """
    folder = Path(path) / GATES
    if not has_gates(path):
        return None if fresh is None else _fitting(model, LatentGates(_width(model), fresh))
    try:
        settings = decode_part(json.loads((folder / SETTINGS).read_bytes()), HybridThinking)
    except (OSError, ValueError) as error:
        raise ForageError(f"The gates in {folder} are damaged: {SETTINGS} cannot be read ({error}).") from error
    gates = LatentGates(_width(model), fresh or settings)
    tensors, own = load_tensors(folder / WEIGHTS), gates.state_dict()
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if shapes != {name: tensor.shape for name, tensor in own.items()}:
        raise ForageError(
            f"The gates in {folder} do not belong to this model, whose embeddings are {_width(model)} wide."
        )
    gates.load_state_dict(tensors)
    return _fitting(model, gates)


@torch.no_grad()
def _fitting(model: LocalModel, gates: LatentGates) -> LatentGates:
    """The gates beside the model, which must compute the same from tokens as from their embeddings."""
    tokens, name = acceptance.probe(model), type(model.module).__name__
    rows, head = cast(Any, model.module.get_input_embeddings()).weight.shape[0], model.head.weight.shape[0]
    try:
        same = rows == head and torch.equal(model.hidden(tokens), model.hidden(tokens, embeds=embedded(model, tokens)))
    except (TypeError, ValueError, RuntimeError, AttributeError):
        same = False
    if not same:
        raise ForageError(f"{name} cannot read embeddings in the place of tokens, so it cannot think in them.")
    return gates.to(model.device)


def _width(model: LocalModel) -> int:
    return int(cast(Any, model.module.get_input_embeddings()).weight.shape[1])


class Expectations:
    """What a policy expects of the next token, as an embedding. Holds the vocabulary's as they are when it is made."""

    @torch.no_grad()
    def __init__(self, model: LocalModel, settings: HybridThinking) -> None:
        size = model.head.weight.shape[0]
        self._table = embedded(model, torch.arange(size, device=model.device)).float()
        self._settings = settings

    def __call__(self, logits: Tensor, *, temperature: float, place: int) -> Tensor:
        """logits (N, V) that the tokens at `place` of their responses are drawn from -> (N, d) float32.

        The distribution is that of `temperature` before any truncation; a greedy policy's (0) is the untempered one.
        """
        probability = (logits / (temperature or 1.0)).softmax(-1)
        table = self._table
        if self._settings.dealt:
            draw = torch.Generator().manual_seed(derive_seed(self._settings.seed, "dealt", place))
            table = table[torch.randperm(len(table), generator=draw).to(table.device)]
        return expected_embedding(probability, table)


class Thinking:
    """Which tokens of a response are read as blends: those before the one that completes the marker."""

    def __init__(self, codec: Codec, marker: str) -> None:
        self._codec, self._marker = codec, marker
        self._ends = EndTexts(codec, (marker,)) if marker else None
        self._may_end: dict[int, bool] = {}

    def ended(self, tokens: Sequence[int]) -> bool:
        """Whether the newest token completed the marker."""
        return self._ends is not None and self._may_complete(tokens[-1]) and self._ends(tokens)

    def before_end(self, tokens: Sequence[int]) -> int:
        """How many of the first tokens of a whole response are read as blends."""
        return next((end for end in range(len(tokens)) if self.ended(tokens[: end + 1])), len(tokens))

    def _may_complete(self, token: int) -> bool:
        """Whether its text can be the end of the marker: decoding every beginning of a response would take long."""
        if token not in self._may_end:
            last, text = self._marker[-1], self._codec.decode((token,))
            self._may_end[token] = last.isspace() or last in text or UNDECODED in text
        return self._may_end[token]
