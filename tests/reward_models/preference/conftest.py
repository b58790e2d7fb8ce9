"""A dialogue model of seconds."""

from pathlib import Path

import pytest

from forage.base_models.dialogue import DialogueSettings
from forage.base_models.tiny_model import build


@pytest.fixture(scope="session")
def dialogue_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = DialogueSettings(traces=600, steps=50, batch=32, layers=1, hidden=32, heads=1, inner=48)
    return build(settings, tmp_path_factory.mktemp("dialogue") / "base", progress=False)
