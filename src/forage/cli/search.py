"""`forage search CHECKPOINT`: decoding that entropy controls and votes settle, or that documents judge."""

from dataclasses import asdict, dataclass, replace
from json import dumps
from pathlib import Path
from typing import Any, Literal

from forage.cli.problem_flags import EngineFlags, TableFlags, chosen_task
from forage.cli.progress import progress_bar, say, say_notes
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.parts.explore.reasoning_control import ReasoningControl, UncertaintyOf
from forage.parts.values.claim_tree import ClaimSearch
from forage.tasks.search import parse_environment
from forage.tasks.search.evidence import parse_judge
from forage.training.checkpoints import find_checkpoint
from forage.training.document_comparison import DocumentSearch, document_search
from forage.training.vote_search import VoteSearch, vote_search


@dataclass(frozen=True, kw_only=True)
class ControlFlags:
    """A search by votes. These go with `--by votes`.

    Args:
        votes: Responses that vote.
        roots: Share of the responses that begin at the problem. The others branch off them.
        epsilon: Share of the steps at which another action is taken than uncertainty says. 0 to 1.
        patience: Steps for which a stopped chain may still branch.
        uncertainty: Uncertainty of a step. Of the whole vocabulary, or of its chosen tokens' scores as in the paper.
    """

    votes: int = 16
    roots: float = 0.25
    epsilon: float = 0.25
    patience: int = 1
    uncertainty: UncertaintyOf = "vocabulary"

    def search(self, checkpoint: Path, **asked: Any) -> VoteSearch:
        settings = asdict(self)
        return vote_search(checkpoint, responses=settings.pop("votes"), plan=ReasoningControl(**settings), **asked)


@dataclass(frozen=True, kw_only=True)
class DocumentFlags:
    """A search that documents judge. These go with `--by documents`.

    Args:
        documents: Documents that judge the steps: a table or a folder of text files. Settings come first, as in
            search:results=5,documents=FILE. Those that the task searches unless given.
        judge: Who reads what was found. words (compares words), or a function as module:function.
        rounds: The most responses of one search.
        actions: Next steps that are tried before one of them is gone on from.
        exploration: Weight of steps that were seldom tried.
        refine: Put the documents' own answer in the place of one that they contradict.
        exhaustive: Search on behind a response that the documents support throughout.
    """

    documents: str | None = None
    judge: str = "words"
    rounds: int = 16
    actions: int = 2
    exploration: float = 1.0
    refine: bool = False
    exhaustive: bool = False

    def search(self, checkpoint: Path, **asked: Any) -> DocumentSearch:
        plan = ClaimSearch(
            responses=self.rounds,
            actions=self.actions,
            exploration=self.exploration,
            refine=self.refine,
            stop=not self.exhaustive,
        )
        named = self.documents
        documents = named and parse_environment(named if named.startswith("search:") else f"search:{named}")
        return document_search(checkpoint, plan=plan, documents=documents, judge=parse_judge(self.judge), **asked)


def search_command(
    checkpoint: Path,
    /,
    *,
    by: Literal["votes", "documents"] = "votes",
    task: str | None = None,
    repeats: int = 4,
    out: Path | None = None,
    control: ControlFlags = ControlFlags(),
    evidence: DocumentFlags = DocumentFlags(),
    source: TableFlags = TableFlags(),  # noqa: B008  (frozen)
    machine: EngineFlags = EngineFlags(),  # noqa: B008  (frozen)
    split: str = "test",
    problems: int | None = None,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Solves problems by votes over chains that branch by uncertainty, or by a tree search that documents judge.

    Prints what that solves, beside plain responses that cost as many tokens, and beside a control: the same actions
    taken at random (Entro-duction), or the same search judged by shuffled documents (RAG-Star).

    Example: forage search runs/first --votes 16 --problems 32

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint inside one, or a Hugging Face model folder.
        by: What decides. votes over responses, or documents that say whether a step is right.
        task: Which task, where the checkpoint does not say. countdown, or countdown:size=experiment.
        repeats: Searches of every problem.
        out: Where the result is written. A JSON file for the numbers; only printed unless given.
        control: A search by votes.
        evidence: A search that documents judge.
        source: Problems from a table.
        machine: Where the model computes.
        split: Which problems: train or test.
        problems: How many problems. The first of the split; all unless given.
        temperature: Sampling temperature.
        max_tokens: The most tokens of a response. The run's own unless given.
        seed: Random seed. It decides everything that is sampled.
        threads: CPU threads for matrix products. 0: all cores. The run's own unless given.
        json: Print tables as one JSON object.
    """
    strategy = _strategy(by, control, evidence)
    named = find_checkpoint(checkpoint)
    engine = machine.engine(named.engine)
    engine = engine if threads is None else replace(engine, threads=threads)
    chosen = chosen_task(named, task, source, engine)
    say_notes(chosen or named.task)
    with progress_bar(f"search {named.label}") as move:
        result = strategy.search(
            checkpoint,
            task=chosen,
            split=split,
            problems=problems,
            repeats=repeats,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            engine=engine,
            on_progress=move,
        )
    shown = Tables(json=json)
    shown.table("search", result.table())
    shown.finish()
    if out is not None:
        write_file(out, dumps(result.to_json(), indent=1, ensure_ascii=False).encode())
        say(f"Saved: {out}")


def _strategy(by: str, control: ControlFlags, evidence: DocumentFlags) -> ControlFlags | DocumentFlags:
    """The flags of the search that was asked for. Raises ForageError where the other one's were typed."""
    other = evidence if by == "votes" else control
    defaults = vars(type(other)())
    typed = [name for name, value in vars(other).items() if value != defaults[name]]
    if typed:
        raise ForageError(f"--{typed[0]} goes with --by {'documents' if by == 'votes' else 'votes'}.")
    return control if by == "votes" else evidence


COMMAND = search_command
