"""Texts that end a response, wherever the tokens are cut."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from engines.local.test_codec import CODECS, byte_level
from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler
from forage.engines.local.stop_strings import EndTexts


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(alphabet="abc é日🙂\n", max_size=30),
    text=st.sampled_from(["\n\n", "日é", "🙂", "the end", "###"]),
    after=st.text(alphabet="x y", max_size=4),
)
def test_the_first_token_that_completes_the_text_ends_the_response(before: str, text: str, after: str) -> None:
    tokens = byte_level().encode(before + text + after)
    ends = EndTexts(CODECS["bytes"], (text,))
    said = next(end for end in range(1, len(tokens) + 1) if ends(tokens[:end]))
    # Oracle: the whole text so far, decoded from its beginning.
    assert said == next(end for end in range(1, len(tokens) + 1) if text in CODECS["bytes"].decode(tokens[:end]))


def test_a_sampler_stops_behind_the_text(module_of: Callable[[str], PreTrainedModel], tokenizer) -> None:
    model = LocalModel(module_of("llama"), tokenizer)
    codec = LocalCodec(tokenizer)
    requests, params = [SampleRequest(tokens=(4, 9), group_size=40, seed=5)], SamplingParams(max_tokens=30)
    (_, free), *_ = LocalSampler(model).sample(requests, params)
    wanted = codec.decode(free[0].tokens[3:5])  # two words in a row that the model writes
    ends = EndTexts(codec, (wanted,))
    (_, ended), *_ = LocalSampler(model, rows=7, ends=ends).sample(requests, params)
    for before, after in zip(free, ended, strict=True):
        assert before.tokens[: len(after.tokens)] == after.tokens
        if wanted in codec.decode(after.tokens):
            assert after.stop == "eos"
            assert wanted not in codec.decode(after.tokens[:-1])
        else:
            assert (after.tokens, after.stop) == (before.tokens, before.stop)
    assert ended[0].stop == "eos"
    assert len(ended[0].tokens) <= 5


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ForageError, match="must not be empty"):
        EndTexts(CODECS["bytes"], ("",))
