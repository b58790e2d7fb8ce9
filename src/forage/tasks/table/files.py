"""The rows of a table on disk, whatever the format, each with the place where it stands.

.jsonl .ndjson        one object per line; packed as .jsonl.gz too
.json                 a list of objects, or one object per line
.csv .tsv             the first line names the columns (`separated.py`)
.parquet              columns as they are; nested ones become objects
a folder              what `datasets` saves (Arrow files, with or without splits), or Parquet files
"""

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.tasks.table.separated import Row, Separated, is_utf16, rows_of_text

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
PACKED = ".gz"
"""Behind .jsonl, .ndjson, .json, .csv or .tsv."""
SPLITS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "test": ("test", "validation", "valid", "dev")}
"""What splits are called in folders that hold several, the first that exists is taken."""


def data_files(path: Path, split: str = "train") -> tuple[Path, ...]:
    """The files that hold the rows of `path`: itself, or those of a folder (of one split, where it has several).

    Raises ForageError, saying what was looked for, where there are none.
    """
    if not path.exists():
        raise ForageError(f"There is no table at {path}.")
    if path.is_file():
        if suffix_of(path) not in SUFFIXES:
            raise ForageError(f"{path} is no table that can be read: its name ends in none of {', '.join(SUFFIXES)}.")
        return (path,)
    folder = split_folder(path, split)
    if folder is None:
        raise ForageError(f"The dataset {path} has no split for {split}: it has {', '.join(_split_names(path))}.")
    files = _of_state(folder) or _of_split(folder, split)
    if not files:
        raise ForageError(f"The folder {path} holds no table: there is no .arrow or .parquet file in it.")
    return files


def suffix_of(path: Path) -> str:
    """The ending that tells the format, without that of the packing."""
    packed = path.suffix == PACKED and Path(path.stem).suffix not in (".parquet", ".arrow")
    return Path(path.stem).suffix if packed else path.suffix


def has_split(path: Path, split: str) -> bool:
    """Whether a folder keeps rows of `split` apart from others. False for files and for folders with one table."""
    if not path.is_dir():
        return False
    if (path / "dataset_dict.json").is_file():
        return split_folder(path, split) is not None
    return any(_named(_tables_in(path), name) for name in SPLITS[split])


def split_folder(path: Path, split: str) -> Path | None:
    """The folder of a split of a saved dataset; `path` itself where it has no splits."""
    if not (path / "dataset_dict.json").is_file():
        return path
    names = _split_names(path)
    return next((path / name for name in SPLITS[split] if name in names), None)


def content_digest(files: Sequence[Path]) -> str:
    """A name of what the files hold: BLAKE2b over their bytes, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        digest.update(b"\0")
    return digest.hexdigest()


def read_rows(files: Iterable[Path], separated: Separated | None = None) -> Iterator[Row]:
    """All rows, in order. Raises ForageError where a file cannot be read at all; a single bad row is a `Row`."""
    separated = separated or Separated()
    for file in files:
        try:
            suffix = suffix_of(file)
            if suffix in (".csv", ".tsv"):
                separator = separated.delimiter or ("," if suffix == ".csv" else "\t")
                yield from rows_of_text(file, content_of(file), separator, separated.encoding)
            else:
                yield from _READERS[suffix](file)
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise ForageError(f"The table {file} cannot be read: {error}.") from error


# ----------------------------------------------------------------------------------------------------------- folders


def _split_names(path: Path) -> tuple[str, ...]:
    try:
        names = json.loads((path / "dataset_dict.json").read_bytes())["splits"]
        return tuple(str(name) for name in names)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ForageError(f"The dataset {path} is damaged: dataset_dict.json cannot be read ({error}).") from error


def _of_state(folder: Path) -> tuple[Path, ...]:
    """The Arrow files of a dataset that `save_to_disk` wrote, in the order of its state.json."""
    if not (folder / "state.json").is_file():
        return ()
    try:
        state = json.loads((folder / "state.json").read_bytes())
        if state.get("_indices_data_files"):
            raise ForageError(f"The dataset {folder} is a selection of rows: call flatten_indices() before saving it.")
        files = tuple(folder / entry["filename"] for entry in state["_data_files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForageError(f"The dataset {folder} is damaged: state.json cannot be read ({error}).") from error
    if missing := [file.name for file in files if not file.is_file()]:
        raise ForageError(f"The dataset {folder} is incomplete: {missing[0]} is missing.")
    return files


def _of_split(folder: Path, split: str) -> tuple[Path, ...]:
    """The files named after a split, as hubs name them (`train-00000-of-00002.parquet`); all where none is."""
    files = _tables_in(folder)
    named = next((tables for name in SPLITS[split] if (tables := _named(files, name))), ())
    others = any(_named(files, name) for names in SPLITS.values() for name in names)
    if not named and others:
        raise ForageError(f"The folder {folder} has no split for {split}.")
    return named or files


def _tables_in(folder: Path) -> tuple[Path, ...]:
    places = [place for place in (folder, folder / "data") if place.is_dir()]
    return tuple(sorted(file for place in places for kind in ("*.arrow", "*.parquet") for file in place.glob(kind)))


def _named(files: Sequence[Path], name: str) -> tuple[Path, ...]:
    return tuple(file for file in files if file.stem == name or file.stem.startswith((f"{name}-", f"{name}_")))


# ----------------------------------------------------------------------------------------------------------- formats


def content_of(path: Path) -> bytes:
    """What a file holds, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == PACKED else path.read_bytes()


def _json_lines(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rb") if path.suffix == PACKED else path.open("rb") as stream:
        _refuse_utf16(path, stream.read(4))
        stream.seek(0)
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield _json_row(f"{path}, line {number}", line)


def _refuse_utf16(path: Path, head: bytes) -> None:
    if is_utf16(head):
        raise ForageError(f"The table {path} is text in UTF-16, and JSON is written in UTF-8: convert it.")


def _json_row(where: str, line: bytes) -> Row:
    try:
        return _object(where, json.loads(line.decode("utf-8-sig")))
    except UnicodeDecodeError:
        return Row(where, None, "it is not text in UTF-8")
    except (ValueError, RecursionError) as error:
        return Row(where, None, f"it is not JSON ({error})")


def _json(path: Path) -> Iterator[Row]:
    text = content_of(path)
    _refuse_utf16(path, text[:4])
    if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        yield from _json_lines(path)
        return
    try:
        rows = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ForageError(f"The table {path} is not JSON: {error}.") from error
    yield from (_object(f"{path}, row {number}", row) for number, row in enumerate(rows, 1))


def _object(where: str, value: Any) -> Row:
    return Row(where, value) if isinstance(value, dict) else Row(where, None, "it is not a JSON object")


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}, row {number}", values)
    except pyarrow.ArrowException as error:
        raise ForageError(f"The table {path} is not a readable Parquet file: {_first_line(error)}.") from error


def _arrow(path: Path) -> Iterator[Row]:
    """Arrow's stream format, which `datasets` writes, and its file format."""
    import pyarrow
    import pyarrow.ipc

    number = 0
    try:
        with pyarrow.memory_map(str(path)) as source:
            head = source.read(6)
            source.seek(0)
            reader = pyarrow.ipc.open_file(source) if head == b"ARROW1" else pyarrow.ipc.open_stream(source)
            batches = (
                map(reader.get_batch, range(reader.num_record_batches))
                if isinstance(reader, pyarrow.ipc.RecordBatchFileReader)
                else reader
            )
            for batch in batches:
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}, row {number}", values)
    except pyarrow.ArrowException as error:
        raise ForageError(f"The table {path} is not a readable Arrow file: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


_READERS = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
