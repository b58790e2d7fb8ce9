"""verl's data queue on Ray, started once for all tests that ask for it; only where verl is installed."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def queue() -> Iterator[Any]:
    import ray  # pyright: ignore[reportMissingImports]
    import transfer_queue as tq  # pyright: ignore[reportMissingImports]

    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    tq.init()
    yield tq
    tq.close()
    ray.shutdown()
