"""One made-up lab and its report, shared by the tests of this folder."""

from pathlib import Path

import pytest

from forage.report import build_report
from report import synthetic


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directories = synthetic.write_lab(tmp_path_factory.mktemp("lab"), seeds=3, steps=40)
    for path in directories[1:3]:  # the first seed of two methods
        synthetic.write_analysis(path, steps=(10, 20, 30))
    return directories


@pytest.fixture(scope="session")
def page(lab: list[Path]) -> Path:
    return build_report(lab, lab[0].parent / "report.html")
