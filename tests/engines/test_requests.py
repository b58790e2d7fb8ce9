from types import SimpleNamespace

import pytest

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.requests import check_requests, limit_of

CONFIG = SimpleNamespace(vocab_size=10, max_position_embeddings=8, model_type="llama")
PARAMS = SamplingParams(temperature=1.0, max_tokens=4)


def request(tokens: tuple[int, ...] = (1, 2), *, group_size: int = 1, limit: int | None = None) -> SampleRequest:
    return SampleRequest(tokens=tokens, group_size=group_size, seed=0, limit=limit)


def test_a_requests_own_limit_only_lowers() -> None:
    assert [limit_of(request(limit=limit), PARAMS) for limit in (None, 3, 9)] == [4, 3, 4]


def test_what_just_fits_is_served() -> None:
    check_requests([request((0, 9, 0, 9))], PARAMS, CONFIG)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (request(()), "Request 1 asks for 1 samples after 0 tokens"),
        (request(group_size=0), "Request 1 asks for 0 samples"),
        (request((10,)), "outside the model's vocabulary of 10"),
        (request((-1,)), "outside the model's vocabulary of 10"),
        (request(limit=0), "asks for 0 new tokens"),
        (request((1,) * 5), "A prompt of 5 tokens and 4 new ones do not fit into the model's 8 positions"),
    ],
)
def test_a_bad_request_is_a_sentence(bad: SampleRequest, sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        check_requests([request(), bad], PARAMS, CONFIG)
