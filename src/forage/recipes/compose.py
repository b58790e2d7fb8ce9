"""A recipe from its task, its model and settings: what all recipe functions do."""

import inspect
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Generic, ParamSpec, get_type_hints

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import SamplingParams
from forage.core.renamed import SETTINGS
from forage.core.spec import did_you_mean
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.vllm.settings import parse_sampler
from forage.methods import with_methods
from forage.recipes.own_model import learning_rate, parse_adapter, required
from forage.recipes.settings import GROUPS, Settings, values_of
from forage.training.recipe import Grouping, Recipe, Schedule
from forage.verification.judge import Verifying

P = ParamSpec("P")


class RecipeFunction(Generic[P]):
    """A recipe function, with the defaults that differ for it.

    Its signature and its documentation hold the shared settings too. A keyword that it does not have is refused with
    the nearest name.
    """

    def __init__(self, build: Callable[P, Recipe], own: Settings) -> None:
        update_wrapper(self, build)
        self._build = build
        self.name = build.__name__
        self.defaults = values_of(own)
        """Of every shared setting."""
        kinds = get_type_hints(build)
        self.task_parameters = {
            name: parameter.replace(annotation=kinds[name])
            for name, parameter in inspect.signature(build).parameters.items()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        }
        """What only this recipe takes."""
        kinds = get_type_hints(Settings)
        self.shared_parameters = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kinds[name])
            for name, default in self.defaults.items()
        }
        self.__signature__ = inspect.Signature(
            [*self.task_parameters.values(), *self.shared_parameters.values()], return_annotation=Recipe
        )
        self.__doc__ = "\n".join([inspect.getdoc(build) or "", *(_arguments(group) for group in GROUPS.values())])

    def __call__(self, *args: P.args, **settings: P.kwargs) -> Recipe:
        known = [*self.task_parameters, *self.shared_parameters]
        for name in settings:
            if name in SETTINGS:
                raise ForageError(f"{self.name}: `{name}` is now `{SETTINGS[name]}`.")
            if name not in known:
                guess = did_you_mean(name, known)
                raise ForageError(f"{self.name} has no setting {name!r}. {guess}It has: {', '.join(known)}.")
        return self._build(*args, **{**self.defaults, **settings})  # pyright: ignore[reportCallIssue]


def recipe(own: Settings) -> Callable[[Callable[P, Recipe]], RecipeFunction[P]]:
    """Makes a recipe of a function that takes settings of its task, and `**settings`, which then are complete.

    `own` are the defaults that differ for it.
    """
    return lambda build: RecipeFunction(build, own)


def compose(*, name: str, task: Task, settings: Settings, base: Callable[[], Path] | None = None) -> Recipe:
    """The recipe that `settings` describe. `base` builds the model where none is given.

    Raises ForageError where there is no model, and for settings that make no sense.
    """
    values = values_of(settings)
    adapter = parse_adapter(values["adapter"], seed=values["seed"])
    built = Recipe(
        name=name,
        model=str(base()) if base and not values["model"] else required(values["model"], name),
        task=task,
        seed=values["seed"],
        schedule=Schedule(
            steps=values["steps"],
            tokens=values["tokens"],
            checkpoint_every=values["checkpoint_every"],
            keep_checkpoints=values["keep_checkpoints"],
            rollouts_every=values["rollouts_every"],
        ),
        grouping=Grouping(groups=values["groups"], group_size=values["group_size"]),
        sampling=SamplingParams(temperature=values["temperature"], max_tokens=values["max_tokens"]),
        max_prompt_tokens=values["max_prompt_tokens"],
        verifying=Verifying(
            workers=values["verifier_workers"],
            deadline=values["deadline"],
            memory_mb=values["memory_mb"],
            overrun=values["overrun"],
            unjudged_limit=values["unjudged_limit"],
        ),
        optimization=Optimization(
            lr=learning_rate(values["lr"], adapter),
            warmup=values["warmup"],
            epochs=values["epochs"],
            mini_batches=values["mini_batches"],
            micro_tokens=values["micro_tokens"],
        ),
        engine=LocalEngine(
            dtype=values["dtype"],
            device=values["device"],
            matmul=values["matmul"],
            threads=values["threads"],
            rows=values["rows"],
            trust_remote_code=values["trust_remote_code"],
            stops=tuple(values["stop"]),
            adapter=adapter,
            gradient_checkpointing=values["gradient_checkpointing"],
            cuda_graphs=values["cuda_graphs"],
        ),
        sampler=parse_sampler(values["sampler"]),
    )
    return with_methods(built, values["method"])


def _arguments(group: type) -> str:
    """The lines of a group's documentation that say what its settings are."""
    return (inspect.getdoc(group) or "").partition("Args:\n")[2].rstrip()
