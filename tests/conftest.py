"""What all tests share, where they run: where they are only handed out to workers, nobody waits for torch to load."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("support.shared_fixtures")
