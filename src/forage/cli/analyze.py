"""`forage analyze RUN`: where a run is uncertain, which strategies it uses, and what alarms were raised."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from forage.analysis import Grams, analysis_file, analyze
from forage.analysis.measures.token_classes import word_list
from forage.analysis.tables import sentences_about, tables_of
from forage.cli.progress import progress_bar
from forage.cli.tables import Tables
from forage.evaluation.external import SampleColumns
from forage.evaluation.external_run import ExternalRun, sample_files
from forage.grams.gram_list import load_grams
from forage.grams.mining.embedding import embedder
from forage.store.run_directory import RunDirectory


def analyze_command(
    run: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    base: Path | None = None,
    grams: str | None = None,
    reference: Path | None = None,
    support: Literal["clusters", "list"] = "clusters",
    step: int | None = None,
    words: str | None = None,
    encoder: str | None = None,
    verdict: str | None = None,
    draws: int = 1000,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Analyzes the rollouts of a run and writes analysis.json there, which `forage report` shows.

    Samples of TRL, verl and other tools (see `forage passk`) are analyzed as far as their texts go; for a single file
    FILE.analysis.json is written beside it.

    Args:
        run: a run directory, or a file or folder of samples that another tool wrote.
        base: a run or an evaluated model folder, whose sentences say what is rare; the run's earliest rollouts if not
            given.
        grams: a list of strategic grams (`forage grams mine`), or phrases; RUN/grams.json if that exists.
        reference: a run whose earliest correct responses every kept checkpoint of RUN scores, so that perplexity is
            compared on a text that never changes; RUN itself, or one run for all that are compared. Needs grams.
        support: what grams are counted by.
        step: whose responses the tables are about; the last step with rollouts if not given.
        words: classes of words: english, countdown, or a JSON file {"format": "forage token classes 1", "classes":
            {NAME: [WORD, ...]}}; by the run's task if not given.
        encoder: of sentences: minilm or a sentence-transformers model (needs the extra `embed`); tf-idf if not given.
        verdict: for samples of other tools, the column that says whether a response is right, where there are several.
        draws: bootstrap resamples.
        seed: random seed of the bootstrap.
        json: print all tables as one JSON object.
    """
    foreign = run.is_file() or bool(sample_files(run))
    directory = ExternalRun.open(run, SampleColumns(verdict=verdict)) if foreign else RunDirectory.open(run)
    if grams is None and (run / "grams.json").is_file():
        grams = str(run / "grams.json")
    console = Console(stderr=True)
    with progress_bar(f"analyze {run.name}", console) as move:
        found = analyze(
            directory,
            step=step,
            base=base,
            grams=Grams(grams=load_grams(grams), source=grams, support=support) if grams else None,
            reference=reference,
            words=word_list(words) if words else None,
            embed=embedder(encoder),
            draws=draws,
            seed=seed,
            on_progress=move,
        )
    place = analysis_file(run)
    found.save(place)
    shown = Tables(json=json)
    for name, table in tables_of(found).items():
        shown.table(name, table)
    for sentence in sentences_about(found):
        shown.say(sentence)
    shown.value("sentences", list(sentences_about(found)))
    shown.finish()
    console.print(f"Saved: {place}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(analyze_command, prog="forage analyze", args=argv)
    return 0
