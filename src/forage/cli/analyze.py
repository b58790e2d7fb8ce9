"""`forage analyze RUN`: where a run is uncertain, which strategies it uses, and what alarms were raised."""

from pathlib import Path
from typing import Literal

from forage.analysis import Grams, analysis_file, analyze
from forage.analysis.measures.token_classes import word_list
from forage.analysis.tables import sentences_about, tables_of
from forage.cli.progress import progress_bar, say
from forage.cli.tables import Tables
from forage.evaluation.external import SampleColumns
from forage.evaluation.external_run import ExternalRun, sample_files
from forage.grams.gram_list import load_grams
from forage.grams.mining.embedding import embedder
from forage.store.run_directory import RunDirectory


def analyze_command(
    run: Path,
    /,
    *,
    grams: str | None = None,
    base: Path | None = None,
    json: bool = False,
    out: Path | None = None,
    reference: Path | None = None,
    support: Literal["clusters", "list"] = "clusters",
    step: int | None = None,
    word_classes: str | None = None,
    encoder: str | None = None,
    verdict: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> None:
    """Analyzes the rollouts of a run and writes analysis.json there, which `forage report` shows.

    Samples of TRL, verl and other tools (see `forage passk`) are analyzed as far as their texts go; for a single file
    FILE.analysis.json is written beside it.

    Example: forage analyze runs/first --grams grams.json

    Args:
        run: A run directory, or a file or folder of samples that another tool wrote.
        grams: List of strategic grams: a file of `forage grams mine`, or phrases. RUN/grams.json, if that exists,
            unless given.
        base: A run or an evaluated model folder, whose sentences say what is rare. The run's earliest rollouts unless
            given.
        json: Print tables as one JSON object.
        out: Where the result is written. A JSON file; analysis.json in the run, where `forage report` looks, unless
            given.
        reference: A run whose earliest correct responses every kept checkpoint of RUN scores. Perplexity is then
            compared on a text that never changes; RUN itself, or one run for all that are compared. Needs --grams.
        support: What grams are counted by.
        step: The step whose responses the tables are about. The last one with rollouts unless given.
        word_classes: Classes of words. english, countdown, or a JSON file {"format": "forage token classes 1",
            "classes": {NAME: [WORD, ...]}}; by the run's task unless given.
        encoder: Sentence encoder, by name or folder. minilm is the usual one (needs the extra `embed`); tf-idf of
            words and letters unless given.
        verdict: Column that says whether a response is right, where there are several.
        draws: Bootstrap resamples.
        seed: Random seed. It decides the bootstrap resamples.
    """
    external = run.is_file() or bool(sample_files(run))
    directory = ExternalRun.open(run, SampleColumns(verdict=verdict)) if external else RunDirectory.open(run)
    if grams is None and (run / "grams.json").is_file():
        grams = str(run / "grams.json")
    with progress_bar(f"analyze {run.name}") as move:
        analysis = analyze(
            directory,
            step=step,
            base=base,
            grams=Grams(grams=load_grams(grams), source=grams, support=support) if grams else None,
            reference=reference,
            words=word_list(word_classes) if word_classes else None,
            embed=embedder(encoder),
            draws=draws,
            seed=seed,
            on_progress=move,
        )
    place = out or analysis_file(run)
    analysis.save(place)
    shown = Tables(json=json)
    for name, table in tables_of(analysis).items():
        shown.table(name, table)
    for sentence in sentences_about(analysis):
        shown.say(sentence)
    shown.value("sentences", list(sentences_about(analysis)))
    shown.finish()
    say(f"Saved: {place}")


COMMAND = analyze_command
