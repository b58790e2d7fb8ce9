import sys
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.tasks.own_function import check_name, load_function, name_of


def test_a_function_of_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_checks_here.py").write_text(
        "class Checks:\n    @staticmethod\n    def right():\n        return 7\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    assert load_function("own_checks_here:Checks.right")() == 7


def test_the_name_of_a_function_leads_back_to_it() -> None:
    assert load_function(name_of(check_name)) is check_name


@pytest.mark.parametrize("text", ["json", "json:", "json:a-b", ":dumps", "a b:c", "json:dumps:x"])
def test_other_texts_name_no_function(text: str) -> None:
    with pytest.raises(ForageError, match="named as module:function"):
        check_name(text)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no_such_module_here:f", "cannot be imported"),
        ("json:nothing", "has no function nothing"),
        ("json:__name__", "no"),
    ],
)
def test_what_is_not_there_is_said(path: str, sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        load_function(path)


def test_a_function_that_no_process_could_import_is_refused() -> None:
    with pytest.raises(ForageError, match="can only import a function that lies in a module"):
        name_of(lambda problem, text: True)
