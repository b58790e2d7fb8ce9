"""Which evaluations are compared: one set of problems, one temperature, the last step. The rest is control or noted."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.errors import ForageError
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.settings import check_verifiers, unequal_settings
from forage.report.load import RunEntry, RunGroup, Runs
from forage.report.palette import Series

TABLE_KS = (1, 4, 16, 64, 256, 1024)


@dataclass(frozen=True, kw_only=True)
class PolicyGroup:
    """A group at one temperature: one evaluation per seed."""

    group: RunGroup
    runs: Sequence[Evaluation]
    temperature: float

    @property
    def series(self) -> Series:
        return self.group.series

    @property
    def label(self) -> str:
        return self.group.label

    @property
    def n(self) -> int:
        return min(run.n for run in self.runs)

    @property
    def curve_ks(self) -> tuple[int, ...]:
        """Powers of two up to the number of samples."""
        return tuple(2**power for power in range(self.n.bit_length()))


@dataclass(frozen=True, kw_only=True)
class Results:
    """`policies` at the main temperature, the base first; `controls` at other temperatures."""

    policies: Sequence[PolicyGroup]
    controls: Sequence[PolicyGroup]
    temperature: float
    split: str
    problems: int
    notes: Sequence[str]

    @property
    def base(self) -> PolicyGroup | None:
        return next((policy for policy in self.policies if policy.group.is_base), None)

    @property
    def trained(self) -> list[PolicyGroup]:
        return [policy for policy in self.policies if not policy.group.is_base]

    @property
    def ks(self) -> tuple[int, ...]:
        """The k that every policy has samples for, as in tables."""
        smallest = min(policy.n for policy in self.policies)
        return tuple(k for k in TABLE_KS if k <= smallest)

    @property
    def base_controls(self) -> list[PolicyGroup]:
        return [policy for policy in self.controls if self.base and policy.group is self.base.group]

    def pairs(self) -> list[tuple[PolicyGroup, PolicyGroup]]:
        """(reference, method) where the method's recipe is the reference's plus something: what the addition did."""
        return [
            (reference, method)
            for method in self.trained
            for reference in self.trained
            if len(reference.group.methods) < len(method.group.methods)
            and method.group.methods[: len(reference.group.methods)] == reference.group.methods
            and reference.group.methods
        ]


def gather_results(runs: Runs) -> Results | None:
    """None where no directory holds an evaluation."""
    families: dict[tuple[str, frozenset[str]], set[int]] = defaultdict(set)
    for index, entry in enumerate(runs.entries):
        for evaluation in entry.evaluations:
            families[_family(evaluation)].add(index)
    if not families:
        return None
    family = max(families, key=lambda key: (len(families[key]), key[0] == "test", len(key[1]), sorted(key[1])))
    notes = _left_out(runs, family)
    temperature = _main_temperature(runs, family)
    policies = [
        policy for group in runs.groups for policy in _policies(group, family, notes, main_temperature=temperature)
    ]
    compared = [policy for policy in policies if policy.temperature == temperature]
    notes = [*_made_differently(compared), *notes]
    return Results(
        policies=compared,
        controls=[policy for policy in policies if policy.temperature != temperature],
        temperature=temperature,
        split=family[0],
        problems=len(family[1]),
        notes=tuple(dict.fromkeys(notes)),
    )


def _family(evaluation: Evaluation) -> tuple[str, frozenset[str]]:
    return evaluation.split, frozenset(outcome.problem for outcome in evaluation.problems)


def _fitting(entry: RunEntry, family: tuple[str, frozenset[str]]) -> list[Evaluation]:
    return [evaluation for evaluation in entry.evaluations if _family(evaluation) == family]


def _left_out(runs: Runs, family: tuple[str, frozenset[str]]) -> list[str]:
    notes = []
    for entry in runs.entries:
        other = len(entry.evaluations) - len(_fitting(entry, family))
        if other:
            notes.append(
                f"{other} evaluation{'s' * (other > 1)} of {entry.path.name} "
                f"{'were' if other > 1 else 'was'} made on other problems and cannot be compared here."
            )
    return notes


def _made_differently(policies: Sequence[PolicyGroup]) -> list[str]:
    """What decided the texts or the verdicts of some of them and not of others."""
    made = {policy.label: policy.runs for policy in policies}
    try:
        check_verifiers(made)
    except ForageError as error:
        return [str(error), *unequal_settings(made)]
    return list(unequal_settings(made))


def _main_temperature(runs: Runs, family: tuple[str, frozenset[str]]) -> float:
    """The one that most directories were evaluated at; 1 wins ties, then the hottest."""
    counts = Counter(
        temperature
        for entry in runs.entries
        for temperature in {evaluation.params.temperature for evaluation in _fitting(entry, family)}
    )
    return max(counts, key=lambda temperature: (counts[temperature], temperature == 1.0, temperature))


def _policies(
    group: RunGroup, family: tuple[str, frozenset[str]], notes: list[str], *, main_temperature: float
) -> list[PolicyGroup]:
    fitting = [_fitting(entry, family) for entry in group.entries]
    temperatures = sorted({run.params.temperature for evaluations in fitting for run in evaluations}, reverse=True)
    policies = []
    for temperature in temperatures:
        by_entry = [[run for run in evaluations if run.params.temperature == temperature] for evaluations in fitting]
        if temperature == main_temperature and not all(by_entry):
            missing = [entry.path.name for entry, runs in zip(group.entries, by_entry, strict=True) if not runs]
            notes.append(f"Not evaluated at temperature {temperature:g} and so not counted: {', '.join(missing)}.")
        chosen = _same_step([runs for runs in by_entry if runs], group, notes)
        relabelled = tuple(replace(run, label=group.label) for run in chosen)
        policies.append(PolicyGroup(group=group, runs=relabelled, temperature=temperature))
    return policies


def _same_step(by_entry: Sequence[Sequence[Evaluation]], group: RunGroup, notes: list[str]) -> list[Evaluation]:
    """One evaluation per directory: at the last step that all share, of the most samples."""
    shared = set.intersection(*({run.step or 0 for run in runs} for runs in by_entry))
    if not shared:
        notes.append(f"The seeds of {group.label} were evaluated after different steps; each shows its last.")
    step = max(shared, default=None)
    return [
        max(
            (run for run in runs if step is None or (run.step or 0) == step),
            key=lambda run: (run.step or 0, run.params.top_p, run.n),
        )
        for runs in by_entry
    ]
