"""`forage prm label|convert|train|score|rank|search`: process reward models, from labels to use."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from json import dumps
from pathlib import Path

from forage.cli.lists import Ks, numbers
from forage.cli.prm_label import label_command
from forage.cli.prm_search import search_command
from forage.cli.progress import message_on_interrupt, progress_bar, say, say_rejected
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.result_table import Cell, ResultTable
from forage.engines.local.step_heads import HeadKind
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.names import evaluation_files, home_of
from forage.ops.step_scores import AGGREGATORS, Aggregator
from forage.ops.step_scores import aggregate as aggregate_scores
from forage.reward_models.prm.calibration import Calibration, FirstErrors
from forage.reward_models.prm.checkpoints import rank_evaluation, read_calibration, score_solutions, train_checkpoint
from forage.reward_models.prm.formats import Format, Labels, read_labels, write_labels
from forage.reward_models.prm.train import Objective, ProcessTraining
from forage.training.fit import FitSettings


def convert_command(labels: Path, /, *, to: Format, out: Path, eta: float = 1.0) -> None:
    """Writes step labels for other programs: ER-PRM, OpenRLHF, Math-Shepherd or TRL.

    Example: forage prm convert labels/labels.jsonl --to trl --out labels_trl.jsonl

    Args:
        labels: labels.jsonl, or a file in any of these formats.
        to: The format. math-shepherd and trl say yes or no only, so values are rounded.
        out: Where the result is written. A file.
        eta: How counts become labels. 0 is the share that is right, inf whether any is, others lie between (ER-PRM).
    """
    labeled = read(labels, eta)
    whole = [row for row in labeled.solutions if all(value == value for value in row.values)]
    text, rounded = write_labels(whole, to)
    write_file(out, text.encode())
    say(f"{len(whole)} solutions, {rounded} values rounded. Saved: {out}")
    if len(whole) < len(labeled.solutions):
        say(f"{len(labeled.solutions) - len(whole)} solutions with steps that could not be judged were left out.")


def train_command(
    labels: Path,
    /,
    *,
    model: Path,
    out: Path,
    objective: Objective = "steps",
    eta: float = 1.0,
    head: HeadKind = "two-token",
    continuations: int | None = None,
    margin: float = 4.0,
    fit: FitSettings = FitSettings(),  # noqa: B008  (frozen)
    checkpoint_every: int = 100,
    device: str = "cpu",
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Trains a process reward model: an ordinary Hugging Face checkpoint that says behind every step how good it is.

    Interrupted or killed, the same command continues, with the same bits. The learning rate is for tiny models; those
    of 7 billion parameters were trained with 5e-7 to 1e-6.

    Example: forage prm train labels/labels.jsonl --model models/base --out models/prm --eta inf

    Args:
        labels: labels.jsonl of `forage prm label`, or a file of ER-PRM, OpenRLHF, Math-Shepherd or TRL.
        model: The model to start from. A run directory, a checkpoint, or a model folder.
        out: Where the result is written. A folder to create.
        objective: What training optimizes. steps: every step; outcome: the last step only; ranking: the order of steps
            (PQM).
        eta: How counts become labels. 0 is the share that is right, inf whether any is, others lie between (ER-PRM).
        head: How the model says how good a step is. two-token: by two words of the vocabulary, good and bad; scalar: by
            a number of its own.
        continuations: Continuations after every step. This many of those in the labels are used; all unless given.
        margin: Margin of the objective ranking.
        checkpoint_every: Steps between two checkpoints. 0: only when interrupted.
        device: Where models compute: cpu or cuda.
        threads: CPU threads for matrix products. 0: all cores.
        json: Print tables as one JSON object.
    """
    labeled = read(labels, eta, m=continuations, seed=fit.seed)
    settings = ProcessTraining(objective=objective, margin=margin, **asdict(fit))
    kept = message_on_interrupt("Interrupted; all is saved: the same command goes on from here.")
    with kept, progress_bar("train process model") as move:
        made = train_checkpoint(
            model,
            solutions=labeled.solutions,
            out=out,
            settings=settings,
            labels={"eta": str(eta), "m": continuations},
            head=head,
            checkpoint_every=checkpoint_every,
            device=device,
            threads=threads,
            on_update=lambda done, total, loss: move(done, total, f"loss {loss:.4f}"),
        )
    say_rejected(made.rejected)
    rejected = len(labeled.rejected) + len(made.rejected)
    say(f"{made.examples} solutions in {made.updates} updates; {rejected} rejected. Saved: {out}")
    shown = Tables(json=json)
    shown.value("examples", made.examples)
    shown.value("updates", made.updates)
    shown.value("rejected", rejected)
    if made.calibration and made.first_errors:
        say(f"{made.held_out} held-out solutions: {sentence(made.calibration)} {error_sentence(made.first_errors)}")
        shown.table("reliability", reliability_table(made.calibration))
    shown.finish()


def score_command(
    model: Path,
    labels: Path,
    /,
    *,
    out: Path,
    aggregate: Aggregator = "min",
    eta: float = 1.0,
    device: str = "cpu",
    threads: int | None = None,
) -> None:
    """Scores every step of labeled solutions, writes JSON lines, and compares the scores with the labels.

    Example: forage prm score models/prm solutions.jsonl --out scores.jsonl

    Args:
        model: A process reward model.
        labels: Solutions in steps, in any format that train reads.
        out: Where the result is written. A file of JSON lines: prompt, steps, scores, and one aggregated score.
        aggregate: How the scores of steps become one: min, last, mean, product, max or sum.
        eta: How counts become labels. Scores are compared with them.
        device: Where models compute: cpu or cuda.
        threads: CPU threads for matrix products. 0: all cores.
    """
    labeled = read(labels, eta)
    with progress_bar(f"score {labels.name}") as move:
        scored = score_solutions(model, labeled.solutions, device=device, threads=threads, on_progress=move)
    lines = [
        dumps(
            {
                "prompt": solution.prompt,
                "steps": list(solution.steps),
                "scores": list(scores),
                "score": aggregate_scores(scores, aggregate),
            },
            ensure_ascii=False,
        )
        for solution, scores in zip(labeled.solutions, scored.scores, strict=True)
    ]
    write_file(out, "".join(line + "\n" for line in lines).encode())
    judged = f" {sentence(scored.calibration)}" if scored.calibration else ""
    say(f"{len(lines)} solutions.{judged} Saved: {out}")


def rank_command(
    model: Path,
    evaluation: Path,
    /,
    *,
    k: Ks = "1,4,16,64,256,1024",
    aggregate: str = "min,product,mean,last",
    outcome: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Chooses among the cached samples of an evaluation: best of n by step scores, votes, oracle and chance.

    Example: forage prm rank models/prm runs/first --k 1,4,16

    Args:
        model: A process reward model.
        evaluation: The JSON file that `forage eval` saved, or a directory that holds one evaluation.
        k: Numbers of samples k, separated by commas. The best of each number is chosen; those beyond the evaluation's
            are left out.
        aggregate: How the scores of steps become one: min, last, mean, product, max or sum. Several may be given,
            separated by commas; the first one weighs the votes.
        outcome: An outcome model (`prm train --objective outcome`) that chooses too, by whole solutions.
        out: Where the result is written. A JSON file for the curves; process/ beside the evaluation's folder, where
            reports look, unless given. In a model folder nothing is written: there it is below runs/evals.
        seed: Random seed. It decides the votes and the intervals.
        device: Where models compute: cpu or cuda.
        threads: CPU threads for matrix products. 0: all cores.
        json: Print tables as one JSON object.
    """
    asked = aggregate.split(",")
    rules: list[Aggregator] = [rule for name in asked for rule in AGGREGATORS if rule == name]
    if not len(set(asked)) == len(asked) == len(rules):
        raise ForageError(f"--aggregate takes names among {', '.join(AGGREGATORS)}, each once, not {aggregate!r}.")
    evaluation = _only_evaluation(evaluation)
    pool = Evaluation.load(evaluation).n
    ns = [int(number) for number in numbers(k, "--k", whole=True) if 1 <= number <= pool]
    if not ns:
        raise ForageError(f"{evaluation} has {pool} samples per problem: name a k from 1 to that.")
    with progress_bar(f"rank {evaluation.stem}") as move:
        ranking = rank_evaluation(
            model,
            evaluation,
            ns=ns,
            how=rules,
            outcome=outcome,
            device=device,
            threads=threads,
            seed=seed,
            on_progress=move,
        )
    shown = Tables(json=json)
    shown.table("ranking", ranking.table())
    shown.finish()
    if ranking.reliability:
        say(f"Every step against what its solution came to: {sentence(ranking.reliability)}")
    about_whom = evaluation.resolve().parent.parent
    place = home_of(about_whom) if (about_whom / "config.json").exists() else about_whom
    out = out or place / "process" / f"{model.resolve().name}-{evaluation.stem}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    about = {"model": model.resolve().name, "policy": Evaluation.load(evaluation).label, **ranking.to_json()}
    about["held_out"] = read_calibration(model)
    write_file(out, dumps(about, indent=1, ensure_ascii=False).encode())
    say(f"Saved: {out}")


def _only_evaluation(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = evaluation_files(path)
    if len(files) != 1:
        raise ForageError(f"{path} holds {len(files)} evaluations: name the file of one (below {path / 'evals'}).")
    return files[0]


def sentence(calibration: Calibration) -> str:
    errors = f"Brier score {calibration.brier:.4f}, calibration error {calibration.ece:.4f}"
    return f"{errors}, step accuracy {calibration.accuracy:.3f}."


def error_sentence(errors: FirstErrors) -> str:
    located = f"{errors.located:.3f} of the {errors.wrong} first errors located"
    accepted = f"{errors.accepted:.3f} of the {errors.clean} solutions without one accepted"
    shares = [
        located if errors.wrong else "no solution has an error",
        accepted if errors.clean else "every solution has an error",
    ]
    both = f" (harmonic mean {errors.f1:.3f})" if errors.wrong and errors.clean else ""
    return f"{', '.join(shares)}{both}.".capitalize()


def reliability_table(calibration: Calibration) -> ResultTable:
    rows = [
        (Cell(f"{score:.3f}", score), Cell(f"{label:.3f}", label), Cell(str(steps), steps))
        for score, label, steps in calibration.curve
    ]
    return ResultTable(
        ("mean score", "mean label", "steps"), tuple(rows), ("Held-out steps, in ten bins of their score.",)
    )


def read(path: Path, eta: float, *, m: int | None = None, seed: int = 0) -> Labels:
    """The labels of a file; says which rows were rejected. Raises ForageError where none is left."""
    labeled = read_labels(path, eta=eta, m=m, seed=seed)
    say_rejected(labeled.rejected)
    if not labeled.solutions:
        raise ForageError(f"{path} holds no labeled solution that can be used.")
    return labeled


SUBCOMMANDS: Mapping[str, Callable[..., None]] = {
    "label": label_command,
    "convert": convert_command,
    "train": train_command,
    "score": score_command,
    "rank": rank_command,
    "search": search_command,
}
