"""What many tests share: a base model of the lab that takes seconds to build."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from forage.base_models.countdown import BaseSettings
from forage.base_models.tiny_model import build
from forage.bench.fork_server import ForkServer
from support.said import Said


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model after a few supervised steps: it writes the lab's words in nearly the right order."""
    settings = BaseSettings(traces=800, steps=60, batch=32, layers=2, hidden=32, heads=2, head_dim=16, inner=64)
    return build(settings, tmp_path_factory.mktemp("bases") / "tiny", progress=False)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Processes for commands of forage that start at once."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _numbers_as_by_default() -> None:
    """No test inherits another's matrix product."""
    torch.set_float32_matmul_precision("highest")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, " ".join(captured.err.split())

    return read
