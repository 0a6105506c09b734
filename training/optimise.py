"""The loop of a training run: one optimiser, warm-up and linear decay, a log line and a checkpoint now and then."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.precision import mixed

log = logging.getLogger("training")

StepLoss = Callable[[int], tuple[torch.Tensor, dict[str, float]]]

_LOG_EVERY, _SAVE_EVERY = 50, 500
_SMOOTH = 0.02


@dataclass(frozen=True)
class Schedule:
    """`steps` in all, of which `done` are behind; the rate rises over the part `warm_up` of them, then falls to 0.
    A run ends at step `end`, where that is not the last one.
    """

    steps: int
    warm_up: float
    weight_decay: float
    done: int = 0
    end: int | None = None

    def rate(self, step: int) -> float:
        """What a rate is multiplied with, `step` steps after those that were done before this run."""
        warm = max(1, int(self.steps * self.warm_up))
        return min((step + 1) / warm, (self.steps - self.done - step) / max(1, self.steps - warm))


@dataclass(frozen=True)
class Checkpoint:
    """A file with a module's weights and the step, replaced as a whole."""

    path: Path

    def save(self, module: nn.Module, step: int) -> None:
        """Write the file."""
        new = self.path.with_suffix(".tmp")
        torch.save({"step": step, "model": module.state_dict()}, new)
        new.replace(self.path)

    def resume(self, module: nn.Module) -> int:
        """As `load` where the file exists; 0 without a file, which is where a run begins."""
        return self.load(module) if self.path.is_file() else 0

    def load(self, module: nn.Module) -> int:
        """Load the weights into `module`; returns the step. Raises FileNotFoundError where nothing was trained."""
        saved = torch.load(self.path)
        module.load_state_dict(saved["model"])
        return int(saved["step"])


def optimise(
    module: nn.Module, groups: list[dict[str, Any]], step_loss: StepLoss, schedule: Schedule, checkpoint: Checkpoint
) -> None:
    """Train `module` in place with AdamW over parameter `groups`; `step_loss` gives a step's loss, and parts to log.

    The checkpoint is written every 500 steps and at the end. What a resumed run lacks against an uninterrupted one is
    the optimiser's memory of the steps before.
    """
    optimiser = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay, fused=True)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, schedule.rate)
    module.train()
    began, means = time.monotonic(), dict[str, float]()
    end = schedule.steps if schedule.end is None else schedule.end
    for step in range(schedule.done, end):
        with mixed():
            loss, parts = step_loss(step)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        rates.step()
        for name, value in parts.items():
            means[name] = means.get(name, value) + _SMOOTH * (value - means.get(name, value))
        if (step + 1) % _LOG_EVERY == 0:
            seconds = time.monotonic() - began
            log.info("step %d of %d, %.0f s, %s", step + 1, schedule.steps, seconds, json.dumps(means))
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == end:
            checkpoint.save(module, step + 1)
    module.eval()
