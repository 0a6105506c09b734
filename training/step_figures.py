"""What a training step costs: `python -m training.step_figures [--steps N]`, and what its choices save.

The steps are those of `training/train.py` on made-up sub-tokens, a batch of 16 windows of 126. Memory that is kept
(`training/memory.py`) and memory that is given back take turns, each in a process of its own. So do products in
bfloat16 and in float32 (`training/precision.py`), in one, and, where the processor multiplies bfloat16, the teacher in
it and in float32 under autocast.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from training.batches import TagBatch, TextBatch
from training.memory import keep_freed
from training.model import TAGS, NewsEncoder, Teacher
from training.precision import mixed, this_kind
from training.teacher import load_teacher
from training.topic_data import TOPICS
from training.train import Recipe, tag_loss, text_loss

_ROWS, _LENGTH, _PIECES = 16, 126, 90_000
_TURNS = 3
_SHORT, _EXACT = "a product in bfloat16", "a product in float32"
_TEACHER, _AUTOCAST = "the teacher in bfloat16", "the teacher under autocast"


def seconds(call: Callable[[], object], steps: int) -> float:
    """Median seconds of a call, after two that do not count."""
    took = []
    for _ in range(steps + 2):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took[2:])


def measure(steps: int) -> dict[str, float]:
    """Seconds of a step of each task, and of the teacher alone in either kind of numbers."""
    torch.manual_seed(1)
    weights, recipe = load_teacher(), Recipe()
    model = NewsEncoder(weights, len(TOPICS), recipe.layers).train()
    kind = this_kind()
    teacher, plain = Teacher(weights, kind), Teacher(weights, torch.float32)
    ids = torch.randint(5, _PIECES, (_ROWS, _LENGTH))
    mask = torch.ones_like(ids)
    tagged = TagBatch(ids, mask, torch.randint(0, len(TAGS), ids.shape))
    none = torch.zeros(_ROWS, len(TOPICS))
    texts = TextBatch(ids, mask, F.pad(ids, (2, 0), value=5), F.pad(mask, (2, 0), value=1), none, none)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def learn(loss_of: Callable[[], torch.Tensor]) -> None:
        with mixed():
            loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    def product(of: torch.dtype) -> Callable[[], torch.Tensor]:
        states, to = torch.randn(_ROWS * _LENGTH, weights.width), torch.randn(weights.width, weights.feed)
        states, to = states.to(of), to.to(of)
        return lambda: states @ to

    found = {
        "a step of entities": seconds(lambda: learn(lambda: tag_loss(model, model.trunk(ids, mask), tagged)), steps),
        "a step of topics and embedding": seconds(
            lambda: learn(lambda: text_loss(model, teacher, texts, recipe)[0]), steps
        ),
    }
    with torch.no_grad(), mixed():
        found[_SHORT], found[_EXACT] = seconds(product(torch.bfloat16), steps), seconds(product(torch.float32), steps)
        if kind is torch.bfloat16:
            found[_TEACHER] = seconds(lambda: teacher(texts.teacher_ids, texts.teacher_mask), steps)
            found[_AUTOCAST] = seconds(lambda: plain.trunk(texts.teacher_ids, texts.teacher_mask), steps)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--memory", choices=("kept", "given back"), help="measure with one of the two alone, as JSON")
    arguments = parser.parse_args()
    if arguments.memory:
        if arguments.memory == "kept":
            keep_freed()
        torch.set_num_threads(2)
        print(json.dumps(measure(arguments.steps)))
        return
    runs: dict[str, list[dict[str, float]]] = {"given back": [], "kept": []}
    for _ in range(_TURNS):
        for memory, found in runs.items():
            command = [
                sys.executable,
                "-m",
                "training.step_figures",
                "--steps",
                str(arguments.steps),
                "--memory",
                memory,
            ]
            found.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    for name in runs["kept"][0]:
        back, kept = (statistics.median(run[name] for run in runs[memory]) for memory in ("given back", "kept"))
        print(f"{name}: {1000 * back:.0f} ms, {1000 * kept:.0f} ms with memory kept, {kept / back:.2f} of it")
    for one, other in ((_SHORT, _EXACT), (_TEACHER, _AUTOCAST)):
        if one in runs["kept"][0]:
            ratio = statistics.median(run[one] / run[other] for run in runs["kept"])
            print(f"{one} takes {ratio:.2f} of the time of {other}")


if __name__ == "__main__":
    main()
