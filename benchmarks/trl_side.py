"""TRL's half of `against_trl.py`: the same model, problems, reward, batch and lengths in TRL's GRPOTrainer.

Runs in an environment of its own (TRL is no dependency of Forage). Reads one JSON object from the command line, prints
one JSON object: seconds of every step, completion tokens of every step, peak memory.
"""

import itertools
import json
import os
import resource
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", CI="true")

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    load = {"dtype": torch.float32}
    if job["tuned"]:
        load["attn_implementation"] = "eager"
    model = AutoModelForCausalLM.from_pretrained(job["model"], **load)
    prompts, judge = (words if job["workload"] == "words" else lab)(job)
    lengths: list[int] = []

    def reward(prompts, completions, completion_ids, **_):
        lengths.append(sum(map(len, completion_ids)))
        return [judge(prompt, text) for prompt, text in zip(prompts, completions, strict=True)]

    rows = job["groups"] * job["group_size"]
    config = GRPOConfig(
        output_dir=job["out"],
        use_cpu=True,
        bf16=job["tuned"],
        per_device_train_batch_size=rows // job["mini_batches"],
        steps_per_generation=job["mini_batches"],
        num_generations=job["group_size"],
        max_completion_length=job["max_tokens"],
        max_steps=job["steps"] * job["mini_batches"],
        learning_rate=job["lr"],
        lr_scheduler_type="constant",
        **({"gradient_checkpointing": False} if job["tuned"] else {}),
        logging_steps=10**6,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=0,
    )
    times: list[float] = []

    class Clock(TrainerCallback):
        """A reinforcement-learning step is one generation and `mini_batches` optimizer steps."""

        def on_train_begin(self, args, state, control, **_):
            times.append(time.perf_counter())

        def on_step_end(self, args, state, control, **_):
            if state.global_step % job["mini_batches"] == 0:
                times.append(time.perf_counter())

    data = Dataset.from_list([{"prompt": prompt} for prompt in prompts])
    trainer = GRPOTrainer(model, reward, config, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()])
    trainer.train()
    seconds = [after - before for before, after in itertools.pairwise(times)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "tokens": lengths[-len(seconds) :], "peak_gib": peak}))


def lab(job):
    """Countdown's prompts and verifier."""
    # The verifier needs nothing but the standard library, so Forage's source is enough; it is not installed here.
    sys.path.insert(0, job["source"])
    from forage.tasks.countdown import Countdown

    task = Countdown(size="experiment")
    problems = {problem.prompt: problem for problem in task.problems("train")}
    return job["prompts"], lambda prompt, text: task.verify(problems[prompt], text).value


def words(job):
    """Chats, and a verdict by the text alone."""
    from words_workload import verdict

    chats = [[{"role": "user", "content": text}] for text in job["prompts"]]
    return chats, lambda prompt, turns: verdict(turns[-1]["content"])


if __name__ == "__main__":
    main()
