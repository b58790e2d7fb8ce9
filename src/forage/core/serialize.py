"""Parts as JSON and back: how a recipe is written down, and how a task reaches a verifier process.

A part is a frozen dataclass; it becomes `{"part": "Class", field: value, ...}`, under the name that `part_names.py` keeps
for it wherever its file lies; a class of somebody else's becomes `"module.Class"`. Both directions follow the declared
types of the fields, so a value that does not fit its field is refused when it is written, not when somebody needs it
months later:

    bool int float str None Literal    as they are; a float that is not finite is "nan", "inf" or "-inf"
    Enum                               the member's name
    Path                               a string
    tuple list Sequence frozenset      a list
    Mapping[str, ...]                  an object, keys sorted
    a part, or an abstract seam        an object with "part"
    a union                            the first member that the value fits

Equal parts give equal JSON. Decoding constructs frozen dataclasses and nothing else, and imports nothing but modules of
this package; a class of somebody else's must have been imported before.
"""

import dataclasses
import enum
import importlib
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from forage.core.errors import ForageError
from forage.core.part_names import MODULES, RENAMED, RENAMED_FIELDS

T = TypeVar("T")

KEY = "part"

_LISTS: Mapping[Any, type] = {tuple: tuple, list: list, Sequence: tuple, frozenset: frozenset}
_MAPPINGS = (dict, Mapping)


class _Misfit(Exception):
    """A value does not fit its declared type. `where` leads to it from the root, as in `credit.shapes[0].alpha`."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


def encode_part(part: Any) -> dict[str, Any]:
    """A part as JSON values, complete and in a fixed order. Raises ForageError, with the path, for what cannot be."""
    try:
        if not _is_part(type(part)):
            raise _Misfit(f"{_show(part)} is not a frozen dataclass", "")
        encoded = _encode_part(part, "")
    except _Misfit as error:
        raise ForageError(f"{_place(error.where, type(part).__name__)} cannot be written down: {error}.") from None
    if not _same(decode_part(encoded, type(part)), part):
        raise ForageError(
            f"This {type(part).__name__} would not be the same when it is read back: the types of its fields are "
            "ambiguous (such as `str | Path`), or its constructor changes them."
        )
    return encoded


def decode_part(encoded: Any, kind: type[T]) -> T:
    """The part that `encode_part` wrote, which must be a `kind`. Raises ForageError, with the path in the JSON."""
    try:
        return _decode_part(encoded, kind, "")
    except _Misfit as error:
        raise ForageError(f"{_place(error.where, kind.__name__)} cannot be read: {error}.") from None


# ----------------------------------------------------------------------------------------------------------- parts


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]


@cache
def _field_types(kind: type) -> Mapping[str, Any]:
    """The declared type of every field that the constructor takes, in order."""
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise ForageError(
            f"The field types of {kind.__qualname__} cannot be looked up ({error}): import them for real, "
            "not under TYPE_CHECKING."
        ) from None
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}


def _encode_part(part: Any, where: str) -> dict[str, Any]:
    kind = type(part)
    if "." in kind.__qualname__:
        raise _Misfit(f"the class {kind.__qualname__} is not at the top level of its module", where)
    encoded: dict[str, Any] = {KEY: _stored_name(kind, where)}
    for name, declared in _field_types(kind).items():
        encoded[name] = _encode(getattr(part, name), declared, _join(where, name))
    return encoded


def _decode_part(encoded: Any, declared: Any, where: str) -> Any:
    if not isinstance(encoded, dict) or not isinstance(encoded.get(KEY), str):
        raise _Misfit(f'{_show(encoded)} is not an object with "{KEY}"', where)
    kind = _find_class(encoded[KEY], where)
    if isinstance(declared, type) and not _fits_class(kind, declared):
        raise _Misfit(f"{kind.__name__} is not a {declared.__name__}", where)
    known = _field_types(kind)
    encoded = {RENAMED_FIELDS.get((kind.__name__, name), name): value for name, value in encoded.items()}
    unknown = sorted(set(encoded) - set(known) - {KEY})
    if unknown:
        raise _Misfit(f"{kind.__name__} has no field {unknown[0]!r}; it has {', '.join(known) or 'none'}", where)
    values = {
        name: _decode(encoded[name], field, _join(where, name)) for name, field in known.items() if name in encoded
    }
    try:
        return kind(**values)
    except (ForageError, ValueError, TypeError) as error:
        raise _Misfit(str(error).rstrip("."), where) from error


def _fits_class(kind: type, declared: type) -> bool:
    # Protocols are shapes, not ancestors: nothing can be asked of the class.
    return declared in (Any, object) or getattr(declared, "_is_protocol", False) or issubclass(kind, declared)


def _stored_name(kind: type, where: str) -> str:
    """The name of a class of this package as `part_names.py` has it; of another class the dotted path."""
    if not kind.__module__.startswith("forage."):
        return f"{kind.__module__}.{kind.__qualname__}"
    if MODULES.get(kind.__name__) != kind.__module__.removeprefix("forage."):
        raise _Misfit(f"{kind.__module__}.{kind.__name__} is not listed in forage/core/part_names.py", where)
    return kind.__name__


def _find_class(path: str, where: str) -> type:
    module_name, _, name = path.rpartition(".")
    ours = not module_name or module_name.startswith("forage.")
    if ours:
        name = RENAMED.get(name, name)
        if name not in MODULES:
            raise _Misfit(f"this version of Forage has no part {path}", _join(where, KEY))
        module_name = f"forage.{MODULES[name]}"
        return getattr(importlib.import_module(module_name), name)
    module = sys.modules.get(module_name)
    if module is None:
        raise _Misfit(f"the module {module_name} is not imported: import it first", _join(where, KEY))
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not _is_part(kind):
        raise _Misfit(f"{module_name} has no frozen dataclass {name}", _join(where, KEY))
    return kind


# ---------------------------------------------------------------------------------------------------------- values


def _encode(value: Any, declared: Any, where: str) -> Any:
    origin, arguments = _resolve(declared)
    if origin is Union:
        return _first_fit(lambda member: _encode(value, member, where), arguments, value, where)
    if origin in _LISTS:
        if not isinstance(value, _LISTS[origin]):
            raise _Misfit(f"{_show(value)} is not a {_LISTS[origin].__name__}", where)
        return _encode_items(value, origin, arguments, where)
    if origin in _MAPPINGS:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _Misfit(f"{_show(value)} is not a mapping from strings", where)
        inner = arguments[1] if arguments else Any
        return {key: _encode(value[key], inner, _join(where, key)) for key in sorted(value)}
    if _is_part(type(value)) and (not isinstance(origin, type) or _fits_class(type(value), origin)):
        return _encode_part(value, where)
    return _encode_plain(value, origin, arguments, where)


def _encode_plain(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if origin is float and type(value) in (int, float):
        return float(value) + 0.0 if math.isfinite(value) else str(float(value))  # -0.0 equals 0.0 and is written so
    if isinstance(value, enum.Enum) and type(value) is origin:
        return value.name
    if origin is Path and isinstance(value, Path):
        return str(value)
    if _is_plain(value, origin, arguments):
        return value
    raise _Misfit(f"{_show(value)} is not {_describe(origin, arguments)}", where)


def _decode(value: Any, declared: Any, where: str) -> Any:
    origin, arguments = _resolve(declared)
    if origin is Union:
        return _first_fit(lambda member: _decode(value, member, where), arguments, value, where)
    if origin in _LISTS:
        if not isinstance(value, list):
            raise _Misfit(f"{_show(value)} is not a list", where)
        return _LISTS[origin](_decode_items(value, origin, arguments, where))
    if origin in _MAPPINGS:
        if not isinstance(value, dict):
            raise _Misfit(f"{_show(value)} is not an object", where)
        inner = arguments[1] if arguments else Any
        return {key: _decode(item, inner, _join(where, key)) for key, item in value.items()}
    if isinstance(value, dict):
        return _decode_part(value, origin, where)
    return _decode_plain(value, origin, arguments, where)


def _decode_plain(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        if isinstance(value, str) and value in origin.__members__:
            return origin[value]
        raise _Misfit(f"{_show(value)} is not one of {', '.join(origin.__members__)}", where)
    if origin is Path and isinstance(value, str):
        return Path(value)
    if origin is float and (type(value) in (int, float) or value in ("nan", "inf", "-inf")):
        return float(value)
    if _is_plain(value, origin, arguments):
        return value
    raise _Misfit(f"{_show(value)} is not {_describe(origin, arguments)}", where)


def _is_plain(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a value is its own JSON form under the declared type."""
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin in (Any, object):
        return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    if origin in (None, types.NoneType):
        return value is None
    return origin in (bool, int, str) and type(value) is origin


def _encode_items(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> list[Any]:
    items = list(value)
    kinds = _item_types(len(items), origin, arguments, where)
    encoded = [_encode(item, kind, f"{where}[{i}]") for i, (item, kind) in enumerate(zip(items, kinds, strict=True))]
    return sorted(encoded, key=repr) if origin is frozenset else encoded


def _decode_items(value: list[Any], origin: Any, arguments: tuple[Any, ...], where: str) -> list[Any]:
    kinds = _item_types(len(value), origin, arguments, where)
    return [_decode(item, kind, f"{where}[{i}]") for i, (item, kind) in enumerate(zip(value, kinds, strict=True))]


def _item_types(count: int, origin: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(arguments) != count:
            raise _Misfit(f"it has {count} entries instead of {len(arguments)}", where)
        return arguments
    return (arguments[0] if arguments else Any,) * count


def _first_fit(attempt: Callable[[Any], Any], members: tuple[Any, ...], value: Any, where: str) -> Any:
    """What the first member of a union makes of the value; the message is that of the member that came furthest."""
    misfits: list[_Misfit] = []
    # An int fits `float` too, so `float | int` must try the exact type first to give back what it was given.
    for member in sorted(members, key=lambda member: member is not type(value)):
        try:
            return attempt(member)
        except _Misfit as error:
            misfits.append(error)
    deepest = max(misfits, key=lambda error: len(error.where))
    if len(deepest.where) > len(where):
        raise deepest
    raise _Misfit(f"{_show(value)} is not {' or '.join(_describe(*_resolve(member)) for member in members)}", where)


def _resolve(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    """(origin, arguments): `tuple[int, ...]` is (tuple, (int, ...)), and a plain class is (itself, ())."""
    origin = get_origin(declared)
    if origin is Annotated:
        return _resolve(get_args(declared)[0])
    if origin is types.UnionType:
        return Union, get_args(declared)
    return (origin, get_args(declared)) if origin is not None else (declared, ())


# -------------------------------------------------------------------------------------------------------- sentences


def _same(left: Any, right: Any) -> bool:
    """Equality that tells a string from a path and lets NaN equal NaN; 1 equals 1.0, as a float field takes both."""
    if isinstance(left, float) and isinstance(right, float | int):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if type(left) is not type(right):
        return False
    if _is_part(type(left)):
        return all(_same(getattr(left, name), getattr(right, name)) for name in _field_types(type(left)))
    if isinstance(left, tuple | list):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def _describe(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin in (None, types.NoneType):
        return "null"
    return f"of type {getattr(origin, '__name__', origin)}"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _place(where: str, root: str) -> str:
    return f"{where!r} in the {root}" if where else f"The {root}"
