"""What a recipe would train on and with, tried without training: problems, prompts, memory, one judged response."""

from collections.abc import Iterator
from typing import Literal

from forage.core.errors import ForageError
from forage.core.records import SampleRequest
from forage.core.seeds import derive_seed
from forage.engines.local.engine import Opened
from forage.engines.turns import in_turns, with_turn_ends
from forage.training.prompt_limits import within_limits
from forage.training.recipe import Recipe
from forage.verification.judge import open_judge

GIB = 1 << 30

SHOWN = 400
"""Characters of a prompt or a response that are shown."""


def dry_run(recipe: Recipe) -> Iterator[str]:
    """Sentences, one after another; nothing is written. Raises ForageError for what training would refuse too."""
    engine = with_turn_ends(recipe.engine, recipe.task)
    opened = engine.open(
        recipe.model,
        reference=recipe.model if recipe.needs_reference else None,
        critic=recipe.critic,
        optimization=recipe.optimization,
        temperature=recipe.sampling.temperature,
    )
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    for split in splits:
        try:
            of_split = recipe.task.problems(split)
        except ForageError as error:
            if split == "train":
                raise
            yield str(error)  # nothing to evaluate on, which training does not need
            continue
        problems = within_limits(
            of_split,
            opened.codec,
            max_prompt=recipe.max_prompt_tokens,
            max_tokens=recipe.sampling.max_tokens,
            context=opened.context,
        )
        lengths = sorted(len(opened.codec.prompt(problem)) for problem in problems)
        yield (
            f"{len(problems)} {split} problems; prompts of {lengths[0]} to {lengths[-1]} tokens, "
            f"{lengths[len(lengths) // 2]} in the middle."
        )
    yield memory(recipe, opened)
    yield from judged(recipe, opened)


def memory(recipe: Recipe, opened: Opened) -> str:
    """The least memory that training takes: weights, gradients, AdamW's two moments, other models. In GiB, by counting.

    Activations come on top, so that the sentence names what bounds them.
    """
    module = opened.policy.model.module
    weights = sum(each.numel() * each.element_size() for each in module.parameters())
    learned = sum(each.numel() * each.element_size() for each in module.parameters() if each.requires_grad)
    others = weights * (bool(recipe.needs_reference) + bool(recipe.critic)) + 3 * learned * bool(recipe.critic)
    total = weights + 3 * learned + others
    return (
        f"Memory: at least {total / GIB:.2f} GiB for weights ({weights / GIB:.2f}), gradients and moments "
        f"({3 * learned / GIB:.2f}) and other models ({others / GIB:.2f}); activations come on top, bounded by "
        f"`micro_tokens` {recipe.optimization.micro_tokens}."
    )


def judged(recipe: Recipe, opened: Opened) -> Iterator[str]:
    """One response to the first problem, and what the verifier says of it."""
    problem = recipe.task.problems("train")[0]
    prompt = opened.codec.prompt(problem)
    request = SampleRequest(tokens=prompt, group_size=1, seed=derive_seed(recipe.seed, "dry run"), problem=problem)
    sampler, _ = in_turns(opened.sampler, opened, recipe.engine, recipe.task)
    ((_, (completion,)),) = list(sampler.sample([request], recipe.sampling))
    text = opened.codec.decode(completion.tokens)
    with open_judge(recipe.task, recipe.verifying) as judge:
        (score,) = judge.submit(problem, [text]).result()
    yield f"Prompt of {problem.id}, {len(prompt)} tokens: {_short(opened.codec.decode(prompt))}"
    yield f"A response, {len(completion.tokens)} tokens, ended by {completion.stop}: {_short(text)}"
    verdict = (
        f"value {score.value:g}, {'correct' if score.correct else 'not correct'}" if score.judged else "not judged"
    )
    yield f"The verifier: {verdict}; the answer it knows: {_short(problem.answer)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]} ...")
