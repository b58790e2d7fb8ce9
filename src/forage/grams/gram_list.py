"""A list of strategic grams with how it was made and the placebo that belongs to it, as versioned JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.grams.phrases import PHRASES, SHORT_PHRASES
from forage.grams.words import normal_gram

FORMAT = "forage grams 1"

WRITTEN = {"phrases": False, "phrases+short": True}
"""Names under which the lists written by hand can be used in the place of a file; True: with one-word entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GramCluster:
    """Grams that mean about the same. `solutions`: how many solutions hold at least one of them (0: not counted)."""

    grams: tuple[str, ...]
    solutions: int = 0
    label: str = ""

    def __post_init__(self) -> None:
        for gram in self.grams:
            if not gram or normal_gram(gram) != gram:
                raise ForageError(f"{gram!r} is not written as a gram: lower-case words with one space between them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GramList:
    """Clusters of strategic grams, most common first.

    `coverage` is the share of the corpus's words inside a match; `placebo` are random grams of the same corpus that
    together cover `placebo_coverage` of it, for the control. Both are None where there was no corpus. `made` says how
    the list was made.
    """

    clusters: tuple[GramCluster, ...]
    placebo: tuple[str, ...] = ()
    coverage: float | None = None
    placebo_coverage: float | None = None
    made: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def grams(self) -> tuple[str, ...]:
        """All grams of all clusters, in order, each once."""
        return tuple(dict.fromkeys(gram for cluster in self.clusters for gram in cluster.grams))

    @property
    def bins(self) -> tuple[str, ...]:
        """For each of `grams` the name of its first cluster: its label, or else its first phrase."""
        cluster_of: dict[str, str] = {}
        for cluster in self.clusters:
            for gram in cluster.grams:
                cluster_of.setdefault(gram, cluster.label or cluster.grams[0])
        return tuple(cluster_of[gram] for gram in self.grams)

    @property
    def id(self) -> str:
        """A hash of everything in the list."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_json(self) -> str:
        content = {"format": FORMAT, "id": self.id, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def load_grams(name: str) -> GramList:
    """The list in the file `name`, or one of the lists written by hand (`phrases`, `phrases+short`).

    Raises ForageError where there is no such file, where it is no gram list, and where its content does not match the
    id that it was saved with.
    """
    if name in WRITTEN:
        return _written(short=WRITTEN[name])
    path = Path(name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ForageError(
            f"There is no gram list {name!r}. Mine one with `forage grams mine RUN --out {name}`, "
            f"or name a list written by hand: {', '.join(WRITTEN)}."
        ) from None
    except (OSError, ValueError) as error:
        raise ForageError(f"{name} cannot be read as a gram list: {error}.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        stored = content.get("format") if isinstance(content, dict) else None
        raise ForageError(f"{name} is not a gram list of this version: its format is {stored!r}, not {FORMAT!r}.")
    return _decoded(content, name)


def _decoded(content: Mapping[str, Any], name: str) -> GramList:
    try:
        gram_list = GramList(
            clusters=tuple(
                GramCluster(grams=tuple(entry["grams"]), solutions=entry["solutions"], label=entry["label"])
                for entry in content["clusters"]
            ),
            placebo=tuple(content["placebo"]),
            coverage=content["coverage"],
            placebo_coverage=content["placebo_coverage"],
            made=dict(content["made"]),
        )
        saved = content["id"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ForageError(f"The gram list {name} is incomplete ({error!r}). Mine it again.") from None
    if gram_list.id != saved:
        raise ForageError(
            f"The gram list {name} was changed after it was saved: its id is {saved}, its content's {gram_list.id}. "
            'Mine it again, or write the new id into the file if the change was meant ("id").'
        )
    return gram_list


def _written(*, short: bool) -> GramList:
    clusters = [GramCluster(grams=phrases, label=role) for role, phrases in PHRASES.items()]
    if short:
        clusters.append(GramCluster(grams=SHORT_PHRASES, label="short"))
    how = "written by hand in the spirit of the roles in arXiv 2509.03646; not the paper's list"
    return GramList(clusters=tuple(clusters), made={"how": how})
