"""The TRL adapter on the real trainer: its contract, its cost, and the signatures that the ordinary suite checks.

    python tests/optional/trl.py [--environment FOLDER] [--record] [--cost]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with this
project's pinned packages and TRL 1.16, and in it runs tests/adapters/test_trl_real.py. `--record` first writes TRL's
signatures to tests/adapters/contracts/trl.json; `--cost` measures what shaping adds to a step, in CPU time. Needs a
package index the first time and no network after that.
"""

import argparse
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "tests" / "adapters" / "contracts" / "trl.json"
WANTED = ("trl==1.16.*", "pytest", "pytest-timeout")


def environment(place: Path) -> Path:
    """The Python of the environment, which is made where it is missing."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(ROOT / "requirements.txt")], check=True)
        subprocess.run([*install, "-r", str(ROOT / "requirements.txt"), *WANTED], check=True)
    return python


def record() -> None:
    """Writes what the adapter relies on as it is in the installed TRL."""
    trl: Any = importlib.import_module("trl")  # by name: a checker takes this very file for the package
    utils: Any = importlib.import_module("trl.trainer.utils")

    from forage.adapters.trl_rules import CALLED, SETTINGS

    trainer = trl.GRPOTrainer
    named = ("__init__", "_tokenize_prompts", "_prepare_inputs", "get_high_entropy_mask", *CALLED)
    found = {
        "version": trl.__version__,
        "methods": {name: list(inspect.signature(getattr(trainer, name)).parameters) for name in named},
        "settings": {name: repr(getattr(trl.GRPOConfig, name, None)) for name in SETTINGS},
        "functions": {
            name: list(inspect.signature(getattr(utils, name)).parameters)
            for name in ("shuffle_sequence_dict", "split_tensor_dict")
        },
        "reads_advantages": inspect.getsource(inspect.unwrap(trainer._compute_loss)).count('inputs["advantages"]'),
    }
    CONTRACT.write_text(json.dumps(found, indent=1) + "\n")
    print(f"Recorded: {CONTRACT}")


def cost(folder: Path, steps: int = 24) -> None:
    """What shaping adds to a step, in CPU time: seconds inside the adapter over the seconds of the rest of that step.

    Both are of the same step, so a busy machine moves them alike. At sampling the adapter makes a forward pass of its
    own, which is inside. Generation, forward and backward passes, and the optimizer are the rest.
    """
    from adapters.trl_world import MANY, trainer, write_qwen
    from forage.adapters.trl import shaped
    from forage.parts.credit.shape.entropy_bonus import EntropyBonus

    plain: type = importlib.import_module("trl").GRPOTrainer
    model = write_qwen(folder / "model")
    sizes = {"per_device_train_batch_size": 32, "num_generations": 8, "max_completion_length": 64, "max_steps": steps}
    for at in ("update", "sampling"):
        kind, shares = timed(shaped(plain, shapes=[EntropyBonus(at=at)]))  # pyright: ignore[reportArgumentType]
        trainer(kind, model, folder / at, prompts=MANY, **sizes).train()
        low, middle, high = statistics.quantiles(shares[2:], n=4)
        print(f"{at}: +{middle:.1%} of a step (quartiles +{low:.1%} to +{high:.1%}; {len(shares) - 2} steps)")


def timed(kind: type) -> tuple[type, list[float]]:
    """The class, and a list of what each of its steps spent in the adapter, as a share of the rest."""
    shares: list[float] = []

    class Timed(kind):
        own = 0.0

        def _shape_late(self, *arguments: Any) -> Any:
            return self.inside(super()._shape_late, arguments)

        def _settle(self, *arguments: Any) -> Any:
            return self.inside(super()._settle, arguments)

        def inside(self, method: Any, arguments: Any) -> Any:
            start = time.process_time()
            found = method(*arguments)
            self.own += time.process_time() - start
            return found

        def training_step(self, *arguments: Any, **named: Any) -> Any:
            self.own, start = 0.0, time.process_time()
            found = super().training_step(*arguments, **named)
            whole = time.process_time() - start
            shares.append(self.own / (whole - self.own))
            return found

    return Timed, shares


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "forage-trl")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        if chosen.record:
            record()
        if chosen.cost:
            with tempfile.TemporaryDirectory() as temporary:
                cost(Path(temporary))
            return 0
        import pytest

        return int(pytest.main(["-q", "-rs", "-W", "ignore", str(ROOT / "tests" / "adapters" / "test_trl_real.py")]))
    python = environment(chosen.environment)
    known = {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("src", "tests")), "OMP_NUM_THREADS": "1"}
    quiet = {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}
    flags = [flag for flag, on in (("--record", chosen.record), ("--cost", chosen.cost)) if on]
    command = [str(python), __file__, "--inside", *flags]
    return subprocess.run(command, env=os.environ | known | quiet, check=False).returncode


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    sys.exit(main())
