"""The source that decides verdicts, as a digest: where it changes, answers are judged again."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def package_digest(package: str) -> str:
    """Of every Python file of an installed package, as in `forage.tasks`; "" where there is none of that name."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return _digest(sorted(path for folder in folders or () for path in Path(folder).rglob("*.py")))


def module_digest(module: str) -> str:
    """Of a module and of the modules beside it that it imports, as far as that goes; of a package, all of it.

    Nothing is imported. "" where the source is not found. A module that another one gets at run time is not seen.
    """
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return _digest(sorted(p for folder in spec.submodule_search_locations for p in Path(folder).rglob("*.py")))
    return _digest(sorted(_beside(Path(spec.origin or "")))) if spec.origin else ""


def _beside(start: Path) -> set[Path]:
    """The file and those in its folder that it imports, directly or through others; packages there whole."""
    waiting, seen = [start], {start}
    while waiting:
        for name in _imports(waiting.pop()):
            file, package = start.parent / f"{name}.py", start.parent / name
            files = {file} if file.is_file() else set(package.rglob("*.py")) if package.is_dir() else set()
            waiting += files - seen
            seen |= files
    return {path for path in seen if path.is_file()}


def _imports(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "").partition(".")[0] or alias.name for alias in node.names)


def _digest(paths: list[Path]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        digest.update(f"{path.name}\0".encode() + hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest() if paths else ""
