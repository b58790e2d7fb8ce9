"""Documents as they come: tables, folders of texts, and what is wrong with them."""

import json
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.tasks.search.documents import Document, DocumentFiles, passages


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_table_and_a_folder_of_texts(tmp_path: Path) -> None:
    table = jsonl(tmp_path / "docs.jsonl", {"title": "A", "text": "one"}, {"contents": "two", "id": 7}, {"text": ""})
    assert [*DocumentFiles(path=table).read()] == [("A", "one"), ("", "two"), ("", "")]
    folder = tmp_path / "texts"
    (folder / "more").mkdir(parents=True)
    (folder / "b.txt").write_text("second")
    (folder / "more" / "a.md").write_text("third")
    (folder / "a.txt").write_bytes("\ufefferste ä".encode())
    (folder / "z.png").write_bytes(b"\x89")
    assert [*DocumentFiles(path=str(folder)).read()] == [("a", "erste ä"), ("b", "second"), ("a", "third")]
    assert [*DocumentFiles(path=str(folder / "b.txt")).read()] == [("b", "second")]


@pytest.mark.parametrize("row", [{"body": "x"}, {"text": 3}, {"text": "x", "title": ["y"]}, 5])
def test_a_row_that_is_no_document_is_named(tmp_path: Path, row: object) -> None:
    path = jsonl(tmp_path / "docs.jsonl", {"text": "fine"}, row)
    with pytest.raises(ForageError, match=r"docs\.jsonl, line 2"):
        list(DocumentFiles(path=path).read())


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="no documents at"):
        DocumentFiles(path=str(tmp_path / "none.jsonl")).settled()
    (tmp_path / "latin.txt").write_bytes(b"\xe4")
    with pytest.raises(ForageError, match=r"latin\.txt cannot be read as text in UTF-8"):
        list(DocumentFiles(path=str(tmp_path)).read())


def test_documents_that_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "docs.jsonl", {"text": "one"})
    settled = DocumentFiles(path="docs.jsonl").settled()
    assert settled.path == str(tmp_path / "docs.jsonl")
    assert [*settled.read()] == [("", "one")]
    jsonl(tmp_path / "docs.jsonl", {"text": "two"})
    with pytest.raises(ForageError, match="have changed since this run began"):
        settled.read()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    texts = DocumentFiles(path="texts").settled()
    (tmp_path / "texts" / "a.txt").rename(tmp_path / "texts" / "b.txt")
    with pytest.raises(ForageError, match="have changed"):
        texts.read()  # a name is a title


def test_passages_by_hand() -> None:
    cut = [*passages(Document("T", " one two\nthree  four five "), 2)]
    assert cut == [("T", "one two"), ("T", "three four"), ("T", "five")]
    assert [*passages(Document("T", " \n"), 2)] == []
