"""What many tests share: a base model of the lab that takes seconds to build, and processes that start at once."""

import fcntl
import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from forage.base_models.countdown import BaseSettings
from forage.base_models.tiny_model import build
from forage.bench.fork_server import ForkServer
from support.forked_servers import SetAside
from support.said import Said

SET_ASIDE = pytest.StashKey[SetAside]()
THREADS = torch.get_num_threads()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[SET_ASIDE] = SetAside()


def pytest_collection_finish() -> None:
    """Modules and thousands of tests stay to the end: a tenth of all CPU time went into looking for garbage there."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[SET_ASIDE].close()


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Tests kill processes, never the machine: what they write need not have reached the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def set_aside(pytestconfig: pytest.Config) -> SetAside:
    """What programs are forked from that need torch and transformers."""
    return pytestconfig.stash[SET_ASIDE]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model after a few supervised steps: it writes the lab's words in nearly the right order."""
    settings = BaseSettings(traces=800, steps=60, batch=32, layers=2, hidden=32, heads=2, head_dim=16, inner=64)
    own = tmp_path_factory.mktemp("bases")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return build(settings, own / "tiny", progress=False)
    # The first worker that needs it builds it; each has a copy, since evaluations are written beside a model.
    place = own.parents[1] / "tiny"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build(settings, place, progress=False)
    return Path(shutil.copytree(place, own / "tiny"))


@pytest.fixture(scope="session")
def fork_server(set_aside: SetAside) -> Iterator[ForkServer]:
    """Processes for commands of forage that start at once."""
    server = ForkServer(launch=set_aside.launch)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _numbers_as_by_default() -> None:
    """No test inherits another's matrix product, nor its threads: beside other work they wait for each other."""
    torch.set_float32_matmul_precision("highest")
    torch.set_num_threads(THREADS)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, " ".join(captured.err.split())

    return read
