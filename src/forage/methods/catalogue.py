"""What a method is: a function from recipe to recipe, with the paper it comes from.

`Method` makes such a function easy to type: `grpo()` or `entropy_advantage(alpha=0.2)` is a step that can be put in a
recipe's list of methods, and `"entropy_advantage:alpha=0.2"` on the command line means the same.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Concatenate, Generic, Literal, ParamSpec

from forage.core.errors import ForageError
from forage.core.spec import did_you_mean, parse_call
from forage.training.recipe import Recipe

P = ParamSpec("P")

Kind = Literal["algorithm", "exploration", "control"]
"""An algorithm sets credit and loss; exploration adds to them; a control is a placebo for an exploration method."""


@dataclass(frozen=True)
class Applied:
    """A method with its hyper-parameters chosen. Call it with a recipe to get the changed recipe."""

    label: str
    kind: Kind
    change: Callable[[Recipe], Recipe]

    def __call__(self, recipe: Recipe) -> Recipe:
        changed = self.change(recipe)
        return replace(changed, methods=(*recipe.methods, self.label))


Choice = Applied | str | Callable[[Recipe], Recipe]
"""One method as it may be given: as text, built, or as a function of the user's own."""


@dataclass(frozen=True)
class Method(Generic[P]):
    """A catalogue entry. `function(recipe, **hyper_parameters)` returns the recipe with the paper's parts in it.

    A control names the method that it is a control of. `needs` says what it takes beyond a verdict, "step ends, ...".
    """

    function: Callable[Concatenate[Recipe, P], Recipe]
    kind: Kind
    seam: str
    paper: str
    control_of: str = ""
    needs: str = ""

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def summary(self) -> str:
        return self.description.split("\n")[0]

    @property
    def description(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Hyper-parameters and their defaults."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Applied:
        """The method with these settings. Raises ForageError for one that it has not."""
        for name in kwargs:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                guess = did_you_mean(name, self.parameters)
                raise ForageError(f"{self.name} has no setting {name!r}. {guess}It has: {known}.")
        settings = ",".join(f"{name}={value}" for name, value in kwargs.items())
        label = f"{self.name}:{settings}" if settings else self.name
        return Applied(label, self.kind, lambda recipe: self.function(recipe, *args, **kwargs))


def method(
    *, kind: Kind, seam: str, paper: str, control_of: str = "", needs: str = ""
) -> Callable[[Callable[Concatenate[Recipe, P], Recipe]], Method[P]]:
    """Makes a composition a `Method`. It registers nothing: the catalogue lists what it imports."""

    def entry(function: Callable[Concatenate[Recipe, P], Recipe]) -> Method[P]:
        return Method(function, kind, seam, paper, control_of, needs)

    return entry


def variant(
    of: Method[P], *, kind: Kind, seam: str, paper: str, without: Collection[str] = (), needs: str | None = None
) -> Callable[[Callable[[Recipe], Recipe]], Method[P]]:
    """Makes a change of the recipe that `of` made a method with the same settings, but those in `without`.

    A control is the method it controls for and one difference, so their settings stand in one place. It needs what `of`
    needs, unless `needs` says otherwise.
    """

    def entry(change: Callable[[Recipe], Recipe]) -> Method[P]:
        signature = inspect.signature(of.function)
        signature = signature.replace(parameters=[p for n, p in signature.parameters.items() if n not in without])

        def function(recipe: Recipe, *args: P.args, **kwargs: P.kwargs) -> Recipe:
            signature.bind(recipe, *args, **kwargs)  # a setting that would have no effect is a TypeError
            return change(of.function(recipe, *args, **kwargs))

        function.__name__, function.__doc__ = change.__name__, change.__doc__
        function.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]  (`inspect` reads it)
        return Method(
            function, kind, seam, paper, of.name if kind == "control" else "", of.needs if needs is None else needs
        )

    return entry


def catalogue(*methods: Method[...]) -> Mapping[str, Method[...]]:
    """The methods by name. Raises ValueError when two claim one name."""
    named: dict[str, Method[...]] = {}
    for method in methods:
        if method.name in named:
            raise ValueError(f"two methods are called {method.name}")
        named[method.name] = method
    return MappingProxyType(named)


def parse(text: str, methods: Mapping[str, Method[...]]) -> Applied:
    """`name` or `name:parameter=value,...` as a method with its hyper-parameters.

    Raises ForageError for an unknown method or parameter, and for a value of the wrong type.
    """
    name, settings = parse_call(text, "method", methods, lambda name: methods[name].parameters)
    return methods[name](**settings)


def applied(chosen: Choice, methods: Mapping[str, Method[...]]) -> Applied:
    """What somebody gave as a method: its name, with or without settings, the method, or a function of their own.

    Raises ForageError for anything else.
    """
    if isinstance(chosen, Applied):
        return chosen
    if isinstance(chosen, str):
        return parse(chosen, methods)
    if isinstance(chosen, Method):
        return chosen()
    if not callable(chosen):
        raise ForageError(
            f"A method is a name (`forage methods` lists them) or a function from recipe to recipe, not {chosen!r}."
        )
    label = getattr(chosen, "__name__", type(chosen).__name__).strip("<>")

    def change(recipe: Recipe) -> Recipe:
        changed: object = chosen(recipe)
        if not isinstance(changed, Recipe):
            raise ForageError(f"The method {label} must return the changed recipe, and it returned {changed!r}.")
        return changed

    return Applied(label, "exploration", change)


def apply(recipe: Recipe, methods: Iterable[Applied]) -> Recipe:
    """The methods in order, each on the result of the one before.

    Raises ForageError where an algorithm is not the first: it sets the credit and the loss anew, so whatever stood
    before it would be lost silently.
    """
    before: list[str] = []
    for chosen in methods:
        if chosen.kind == "algorithm" and before:
            raise ForageError(
                f"The algorithm {chosen.label} comes after {before[-1]}, whose parts it would replace. "
                "Give one algorithm, and give it first."
            )
        recipe = chosen(recipe)
        before.append(chosen.label)
    return recipe
