"""The verl adapter on verl's own step, data protocol, estimator, loss and registry, through Ray, on a CPU.

    python tests/optional/verl.py [--environment FOLDER] [--record]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with the pinned
torch, verl 0.9 and TransferQueue, installs this package there so that verl finds its plug-in by entry point, and runs
tests/adapters/test_verl_real.py and test_verl_step.py. verl's rollout servers (vLLM, SGLang) and engines are for
accelerators; everything between them runs. `--record` first writes what the adapter relies on to
tests/adapters/contracts/verl.json, which the ordinary suite checks.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "adapters" / "contracts" / "verl.json"
WANTED = ("verl==0.9.*", "TransferQueue>=0.1.10", "cachetools", "fastapi", "uvicorn", "pytest", "pytest-timeout")
OURS = ("tyro>=0.9", "rich>=13", "jinja2>=3.1", "plotly>=6", "math-verify[antlr4_13_2]>=0.8")


def environment(place: Path) -> Path:
    """The Python of the environment, which is made where it is missing."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        torch = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
        subprocess.run([*install, *torch], check=True)  # first, so that nothing else chooses another build
        subprocess.run([*install, *torch, *WANTED, *OURS], check=True)
        subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
    return python


def record() -> None:
    """Writes what the adapter relies on as it is in the installed verl."""
    import importlib.metadata

    from forage.adapters.verl_rules import CALLED

    base: Any = importlib.import_module("verl.trainer.ppo.v1.trainer_base")
    queue: Any = importlib.import_module("transfer_queue")
    trainer: Any = importlib.import_module("verl.trainer.ppo.v1.trainer_sync").PPOTrainerSync
    losses: Any = importlib.import_module("verl.trainer.ppo.core_algos")
    padding: Any = importlib.import_module("verl.workers.utils.padding")
    agent: Any = importlib.import_module("verl.experimental.agent_loop.agent_loop")

    def named(function: Any) -> list[str]:
        return list(inspect.signature(function).parameters)

    step = inspect.getsource(trainer._step_once)
    order = ("_balance_batch", "_compute_old_log_prob", "_compute_advantage", "_update_critic", "_update_actor")
    entropy = inspect.getsource(trainer._compute_old_log_prob)
    found = {
        "version": importlib.metadata.version("verl"),
        "methods": {name: named(getattr(trainer, name)) for name in CALLED},
        "functions": {
            "kv_batch_get": named(queue.kv_batch_get),
            "kv_batch_put": named(queue.kv_batch_put),
            "register_trainer": named(base.register_trainer),
            "response_to_nested": named(padding.response_to_nested),
            "compute_advantage": named(base.compute_advantage_for_multi_trajectories),
            "policy_loss": named(losses.get_policy_loss_fn("vanilla")),
        },
        "step": sorted(order, key=lambda name: step.index(f"self.{name}(")),
        "entropy_is_written": 'select("old_log_probs", "entropy")' in entropy,
        "bypass_returns_first": entropy.index("bypass_mode") < entropy.index("return") < entropy.index("entropy"),
        "agent_loop_output": sorted(agent.AgentLoopOutput.model_fields),
    }
    CONTRACT.write_text(json.dumps(found, indent=1) + "\n")
    print(f"Recorded: {CONTRACT}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "forage-verl")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        record()
        return 0
    python = environment(chosen.environment)
    known = {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("src", "tests")), "OMP_NUM_THREADS": "1"}
    known |= {"RAY_AUTH_MODE": "disabled", "HF_HUB_OFFLINE": "1", "RAY_raylet_start_wait_time_s": "600"}
    if chosen.record:
        subprocess.run([str(python), __file__, "--inside"], cwd=ROOT, env=os.environ | known, check=True)
    files = [f"tests/adapters/test_verl_{part}.py" for part in ("real", "step")]
    command = [str(python), "-m", "pytest", "-q", "-rs", "-W", "ignore", "--timeout", "1200", *files]
    return subprocess.run(command, cwd=ROOT, env=os.environ | known).returncode


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    sys.exit(main())
