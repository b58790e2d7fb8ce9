"""Learning to search, then to answer: R1-Searcher (arXiv 2503.05592)."""

from forage.core.errors import ForageError
from forage.core.turns import environment_of
from forage.methods.catalogue import method
from forage.methods.parts import add_reward
from forage.parts.rewards.search_stages import SearchAnswers, SearchCalls
from forage.tasks.search import SearchEnvironment
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2503.05592", needs="a search environment")
def r1_searcher(
    recipe: Recipe, *, stage: int = 1, retrieval: float = 0.5, form: float = 0.5, penalty: float = 2.0
) -> Recipe:
    """Pays for searching and for a clear form first, then for the answer: two runs, the second from the first.

    stage 1 pays `retrieval` for any search and `form` for the form, and nothing for the answer. stage 2 pays what the
    verifier says, F1 of the words in the paper, less `penalty` for a wrong form. For tasks that a search engine
    answers: lookup, or a table with documents.
    """
    if not isinstance(environment_of(recipe.task), SearchEnvironment):
        raise ForageError(
            f"r1_searcher pays for searches, and nothing answers one in the task {recipe.task.name}. Try lookup, or "
            'give your table documents: environment="search:documents.jsonl".'
        )
    if stage not in (1, 2):
        raise ForageError(f"r1_searcher has the stages 1 and 2, not {stage}.")
    return add_reward(
        recipe, SearchCalls(retrieval=retrieval, form=form) if stage == 1 else SearchAnswers(penalty=penalty)
    )
