"""The arms of a comparison as they are typed, and their controls."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.spec import parse_call
from forage.methods.catalogue import Applied, Method, parse

Methods = Mapping[str, Method[...]]


def parse_arm(text: str, methods: Methods) -> tuple[Applied, ...]:
    """`grpo+entropy_advantage:alpha=0.2` as methods. A + before anything but the name of a method is part of a value.

    Raises ForageError for an unknown method or setting.
    """
    names = "|".join(map(re.escape, methods))
    parts = re.split(rf"\s*\+\s*(?=(?:{names})\s*(?:[:+]|$))", text.strip())
    return tuple(parse(part, methods) for part in parts)


def read_arms(path: Path) -> list[str]:
    """The arms in a file, as they are typed, one a line; # begins a comment.

    Raises ForageError where the file cannot be read or names no arm.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The arms in {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    arms = [arm for line in lines if (arm := line.partition("#")[0].strip())]
    if not arms:
        raise ForageError(f"{path} names no arm. Write one a line, as grpo+entropy_advantage:alpha=0.2.")
    return arms


def with_controls(
    arms: Sequence[tuple[Applied, ...]], wanted: Collection[str], methods: Methods
) -> list[tuple[Applied, ...]]:
    """The arms, and behind each the same arm with a control in its method's place, for every control that is wanted.

    A control takes over those of the method's settings that it has too. `all` wants every control. Raises ForageError
    for a name that is no control, and for a control of a method that no arm has.
    """
    controls = [name for name, method in methods.items() if method.control_of]
    if unknown := [name for name in wanted if name not in (*controls, "all")]:
        raise ForageError(f"{unknown[0]} is no control. The controls are: {', '.join(controls)}; or all.")
    chosen = controls if "all" in wanted else [name for name in controls if name in wanted]
    by_labels: dict[tuple[str, ...], tuple[Applied, ...]] = {}
    idle = dict.fromkeys(wanted)
    for arm in arms:
        by_labels.setdefault(_labels(arm), arm)
        for control, changed in _controlled(arm, chosen, methods):
            by_labels.setdefault(_labels(changed), changed)
            idle.pop(control, None)
            idle.pop("all", None)
    for name in idle:
        of = f"a control of {methods[name].control_of}, which" if name != "all" else "for methods with controls, which"
        raise ForageError(f"{name} is {of} no arm has.")
    return list(by_labels.values())


def control_pairs(
    arms: Sequence[tuple[Applied, ...]], methods: Methods
) -> list[tuple[tuple[Applied, ...], tuple[Applied, ...]]]:
    """Every arm with each of its controls that is among the arms too."""
    controls = [name for name, method in methods.items() if method.control_of]
    by_labels = {_labels(arm): arm for arm in arms}
    return [
        (arm, by_labels[_labels(changed)])
        for arm in arms
        for _, changed in _controlled(arm, controls, methods)
        if _labels(changed) in by_labels
    ]


def _controlled(
    arm: tuple[Applied, ...], controls: Sequence[str], methods: Methods
) -> Iterator[tuple[str, tuple[Applied, ...]]]:
    """The arm with a control in the place of the method that it controls for, for each that fits."""
    for place, applied in enumerate(arm):
        name, settings = parse_call(applied.label, "method", methods, lambda name: methods[name].parameters)
        for control in (methods[other] for other in controls if methods[other].control_of == name):
            shared = {key: value for key, value in settings.items() if key in control.parameters}
            yield control.name, (*arm[:place], control(**shared), *arm[place + 1 :])


def _labels(arm: Sequence[Applied]) -> tuple[str, ...]:
    return tuple(applied.label for applied in arm)
