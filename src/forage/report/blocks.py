"""What a section is made of. Sections return these; only the page's template knows HTML.

Text is escaped by the template unless it is `Markup`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from markupsafe import Markup

from forage.report.palette import Series

Text = str | Markup
Tone = Literal["up", "down", "level", "caution"]


@dataclass(frozen=True, kw_only=True)
class Prose:
    """Paragraphs."""

    kind: ClassVar[str] = "prose"
    paragraphs: Sequence[Text]


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the summary. `tone` chooses its mark: higher, lower, not distinguishable, or a caution."""

    text: Text
    tone: Tone = "level"


@dataclass(frozen=True, kw_only=True)
class Statements:
    """Sentences as a list, under a heading."""

    kind: ClassVar[str] = "statements"
    title: str
    items: Sequence[Statement]
    series: Series | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture: plotly traces and layout (colors as in `palette`), and how to read it.

    A trace whose `legendgroup` is a series' key is hidden and shown with that series. `how` says how to read the
    picture and `misleads` when it misleads. `alt` describes it to somebody who cannot see it.
    """

    id: str
    title: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    how: Text
    alt: str
    misleads: Text = ""
    height: int = 400


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures under one legend: `wide` ones below each other, `small` ones as a grid."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]
    legend: Sequence[Series] = ()
    size: Literal["wide", "small"] = "wide"


@dataclass(frozen=True, slots=True)
class TableCell:
    """A number or word, a smaller line below it, and whether it deserves a mark."""

    main: Text
    below: Text = ""
    tone: Tone | None = None
    series: Series | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table whose first column names the rows."""

    kind: ClassVar[str] = "grid"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[TableCell]]
    how: Text = ""
    align: Literal["left", "right"] = "right"
    notes: Sequence[Text] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a response and what was recorded with it; `entropy` in nats. `planning`: part of a strategic gram.

    `given`: an environment wrote it.
    """

    text: str
    entropy: float
    advantage: float
    logprob: float
    planning: bool = False
    given: bool = False


@dataclass(frozen=True, kw_only=True)
class ResponseBlock:
    """A sampled response. `left_out` counts the tokens that are not shown."""

    title: str
    correct: bool | None
    facts: Sequence[str]
    prompt: str
    tokens: Sequence[Token]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class ResponsesOf:
    """Responses of one run."""

    series: Series
    title: str
    responses: Sequence[ResponseBlock]


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Responses with shaded tokens; `entropy_top` and `advantage_top` are the values of the strongest shade."""

    kind: ClassVar[str] = "responses"
    runs: Sequence[ResponsesOf]
    entropy_top: float
    advantage_top: float

    @property
    def marks_planning(self) -> bool:
        return any(t.planning for run in self.runs for response in run.responses for t in response.tokens)

    @property
    def marks_given(self) -> bool:
        return any(t.given for run in self.runs for response in run.responses for t in response.tokens)

    how: Text
    misleads: Text


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Preformatted text that opens on demand."""

    kind: ClassVar[str] = "folded"
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ScoredStep:
    """A step of a solution and its score in [0, 1]."""

    text: str
    score: float

    @property
    def part(self) -> int:
        """Percent of the full shade."""
        return round(100 * min(max(self.score, 0.0), 1.0))


@dataclass(frozen=True, kw_only=True)
class ScoredSolution:
    """A solution in steps."""

    title: str
    correct: bool
    facts: Sequence[str]
    prompt: str
    steps: Sequence[ScoredStep]


@dataclass(frozen=True, kw_only=True)
class Solutions:
    """Solutions whose steps are shaded by their scores."""

    kind: ClassVar[str] = "solutions"
    title: str
    solutions: Sequence[ScoredSolution]


Block = Prose | Statements | Figures | Grid | Responses | Folded | Solutions


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page. `id` is its anchor."""

    id: str
    title: str
    blocks: Sequence[Block]
    lead: Text = ""
