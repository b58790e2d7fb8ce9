"""Old spellings name the new ones: commands, flags, keywords of recipes, and fields of stored recipes."""

import inspect

import pytest

from forage.cli import COMMANDS as KNOWN
from forage.cli import main
from forage.core.errors import ForageError
from forage.core.renamed import COMMANDS, FLAGS, SETTINGS, renamed
from forage.core.serialize import decode_part, encode_part
from forage.recipes import RECIPES
from forage.training.recipe import Grouping


@pytest.mark.parametrize(("old", "new"), COMMANDS.items())
def test_an_old_command_names_the_new_one(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*old.split(), "--help"]) == 2
    assert f"is now `forage {new}`" in capsys.readouterr().err
    assert new.split()[0] in KNOWN


@pytest.mark.parametrize(
    ("command", "old", "new"), [(c, *pair) for c, flags in FLAGS.items() for pair in flags.items()]
)
def test_an_old_flag_names_the_new_one(command: str, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*command.split(), *(["table"] if command in ("train", "bench") else [])]
    for typed in ([f"--{old}", "3"], [f"--{old}=3"]):
        assert main([*words, *typed]) == 2
        assert f"--{old} is now --{new}." in capsys.readouterr().err
    assert main([*words, "--help"]) == 0
    assert f"--{new} " in capsys.readouterr().out


def test_flags_that_keep_their_name_elsewhere_are_left_alone() -> None:
    assert renamed(["eval", "run", "--problems", "3", "--n", "4", "--k", "1"]) is None
    assert renamed(["verify", "--", "--workers"]) is None


@pytest.mark.parametrize("name", RECIPES)
def test_an_old_keyword_names_the_new_one_and_a_misspelt_one_the_nearest(name: str) -> None:
    for old, new in SETTINGS.items():
        with pytest.raises(ForageError, match=f"`{old}` is now `{new}`"):
            RECIPES[name](**{old: 3})
    with pytest.raises(ForageError, match=r"no setting 'group_sise'\. Did you mean group_size"):
        RECIPES[name](group_sise=3)


def test_every_recipe_has_every_shared_setting_with_one_default_unless_it_says_otherwise() -> None:
    from forage.recipes import settings

    for built in RECIPES.values():
        assert list(built.shared_parameters) == list(settings.DEFAULTS)
        assert set(inspect.signature(built).parameters) == {*built.task_parameters, *settings.DEFAULTS}
    own = {name for built in RECIPES.values() for name, at in built.defaults.items() if at != settings.DEFAULTS[name]}
    shared = {"steps", "groups", "group_size", "max_tokens", "lr", "deadline", "micro_tokens", "rows"}
    assert own == {*shared, "mini_batches", "checkpoint_every", "rollouts_every", "threads"}


def test_help_lists_the_flags_that_matter_first_and_groups_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "code", "--help"]) == 0
    text = capsys.readouterr().out
    text = text[text.index(" options ") :]  # the example above the flags names some too
    first = [text.index(f"--{name} ") for name in ("method", "steps", "seed", "out", "model")]
    boxes = [
        text.index(f" {title} options") for title in ("schedule", "sampling", "optimizer", "engine", "verification")
    ]
    assert first == sorted(first)
    assert boxes == sorted(boxes)
    assert first[-1] < boxes[0]


def test_groups_of_a_stored_recipe_are_read_under_their_old_name() -> None:
    stored = encode_part(Grouping(groups=3, group_size=5))
    stored["problems"], stored["siblings"] = stored.pop("groups"), stored.pop("group_size")
    assert decode_part(stored, Grouping) == Grouping(groups=3, group_size=5)
