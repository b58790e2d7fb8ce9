"""`torchrun` whose processes are forks of one that has loaded what they need."""

import os
from collections.abc import Sequence
from dataclasses import replace

from torch.distributed.launcher.api import elastic_launch
from torch.distributed.run import config_from_args, parse_args

from forage.__main__ import start


def torchrun_forks(command: Sequence[str]) -> None:
    """`torchrun --standalone --nproc-per-node 2 -m forage COMMAND`.

    It leads a group of its own, so that a signal to the group is what Ctrl-C is to a terminal's processes.
    """
    os.setsid()
    alone = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--nproc-per-node", "2"]
    config, _, _ = config_from_args(parse_args([*alone, "-m", "forage"]))
    elastic_launch(replace(config, start_method="fork"), start)([command])
