"""Frozen dataclasses of every field type that parts may have, for tests of their JSON form."""

import enum
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Seam(ABC):
    """What `First` and `Second` are, as shapes are `Shape`s."""

    at: Literal["sampling", "update"]


class Named(Protocol):
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class First(Seam):
    kind: ClassVar[str] = "first"
    alpha: float = 0.4
    at: Literal["sampling", "update"] = "sampling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Second(Seam):
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must be 0 or more.")


@dataclass(frozen=True)
class Unrelated:
    name: str = "x"


@dataclass(frozen=True, kw_only=True)
class Everything:
    flag: bool = False
    number: int = 3
    rate: float = 0.5
    text: str = ""
    mode: Literal["a", "b", 1] = "a"
    color: Color = Color.RED
    level: Level = Level.LOW
    path: Path = Path("x")
    missing: float | None = None
    either: int | str = 1
    wide: int | float = 1
    pair: tuple[float, str] = (1.0, "")
    row: tuple[int, ...] = ()
    rows: Sequence[tuple[float, ...]] = ()
    items: list[str] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    table: Mapping[str, float] = field(default_factory=dict)
    seams: tuple[Seam, ...] = ()
    seam: Seam = field(default_factory=First)
    named: Named = field(default_factory=Unrelated)
    maybe: Seam | None = None
    anything: Any = None
    derived: int = field(init=False, default=7)


@dataclass(frozen=True, kw_only=True)
class Ambiguous:
    place: str | Path = "x"


@dataclass(frozen=True, kw_only=True)
class Changing:
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", (*self.words, "again"))


@dataclass(frozen=True, kw_only=True)
class Callback:
    function: Any = print


@dataclass
class Mutable:
    number: int = 1


class Outer:
    @dataclass(frozen=True)
    class Inner:
        number: int = 1
