"""OpenRLHF's own executor asks our reward function: `python tests/optional/openrlhf.py [--packages FOLDER]`.

Puts OpenRLHF 0.11 without its GPU dependencies, and what its agents import, into a folder of their own (below the
temporary one unless named; kept for the next time), beside the packages that run this file. There
`SingleTurnAgentExecutor` generates by a stand-in for vLLM, decodes, and asks `forage.adapters.openrlhf` as in a run.
"""

import argparse
import asyncio
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ("aiohttp", "pylatexenc")


def packages(place: Path) -> None:
    if (place / "openrlhf").is_dir():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(place)]
    subprocess.run([*pip, *LIGHT], check=True)
    subprocess.run([*pip, "--no-deps", "openrlhf==0.11.*"], check=True)


class Engine:
    """vLLM's answer to one request: the tokens of a text, ended by the model."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    async def generate(self, prompt: Any, params: Any, multi_modal_data: Any = None) -> Any:
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=self.tokens, finish_reason="stop", logprobs=None)])


async def asked(executor: Any, tokenizer: Any, prompt: str, response: str, label: str) -> dict[str, Any]:
    params = SimpleNamespace(max_tokens=16, logprobs=None)
    engine = Engine(tokenizer.encode(response, add_special_tokens=False))
    return await executor.execute(prompt, label, params, 64, tokenizer, engine)


def inside() -> None:
    from transformers import AutoTokenizer

    from forage.adapters import openrlhf
    from support.own_world import write_model

    executor_of = importlib.import_module("openrlhf.utils.agent").SingleTurnAgentExecutor
    os.environ[openrlhf.VERIFIER] = "numeric"
    executor = executor_of(openrlhf.__file__)
    assert executor.reward_func is not None
    with tempfile.TemporaryDirectory() as temporary:
        write_model(Path(temporary))
        tokenizer = AutoTokenizer.from_pretrained(temporary)
        for response, reward in ((" 5", 1.0), (" 6", 0.0)):
            found = asyncio.run(asked(executor, tokenizer, "What is 2 + 3?", response, "5"))
            assert float(found["reward"]) == reward, found
            assert float(found["scores"]) == reward
            assert float(found["extra_logs"]["unjudged"]) == 0.0
            print(f"OpenRLHF: the answer{response!r} to 2 + 3 has the reward {float(found['reward'])}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, default=Path(tempfile.gettempdir()) / "forage-openrlhf")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        inside()
        return 0
    packages(chosen.packages)
    paths = os.pathsep.join([*(str(ROOT / part) for part in ("src", "tests")), str(chosen.packages)])
    known = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, __file__, "--inside"], env=os.environ | known, check=False).returncode


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    sys.exit(main())
