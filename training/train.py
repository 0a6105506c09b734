"""The training loop: single-task batches in a seeded order, one optimiser, linear decay, checkpoints on the way."""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from training.batches import IGNORED, TagBatch, TextBatch
from training.model import TAGS, NewsEncoder, Teacher

log = logging.getLogger("training")


@dataclass(frozen=True)
class Recipe:
    """What a run is made of; the budgets are sub-tokens of each set, 0 leaves a set out."""

    seed: int = 20251009
    vocabulary: int = 96_000
    window: int = 128
    stride: int = 116
    layers: int = 6
    encoder_rate: float = 2e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    warm_up: float = 0.06
    topic_weight: float = 0.3
    embedding_weight: float = 1.0
    conll: int = 4_500_000
    ner_uk: int = 4_000_000
    factrueval: int = 1_100_000
    wikineural: int = 6_000_000
    slavner: int = 1_500_000
    wnut: int = 300_000
    synthetic: int = 600_000
    iptc: int = 5_500_000
    taxonomy: int = 200_000
    bbc: int = 800_000
    masakha: int = 500_000
    sib: int = 700_000
    replay: int = 1_000_000
    slavic: int = 600_000


# Without the sets for research or non-commercial use only: more passes over the one English entity set that is left.
UNRESTRICTED = Recipe(conll=0, ner_uk=0, wikineural=0, bbc=0, wnut=900_000)


def centre_teacher(teacher: Teacher, batches: list[TextBatch]) -> None:
    """Set the teacher's centre to its mean embedding over some batches."""
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rows = torch.cat([teacher.pooled(batch.teacher_ids, batch.teacher_mask) for batch in batches])
    teacher.centre = rows.mean(0)


def tag_loss(model: NewsEncoder, batch: TagBatch) -> torch.Tensor:
    """Cross-entropy over the sub-tokens of a tagging batch."""
    logits = model.tag(model.trunk(batch.ids, batch.mask)).float()
    return F.cross_entropy(logits.view(-1, len(TAGS)), batch.labels.view(-1), ignore_index=IGNORED)


def text_loss(
    model: NewsEncoder, teacher: Teacher, batch: TextBatch, recipe: Recipe
) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted topic loss plus one minus the cosine to the teacher's embedding, and both as numbers."""
    _, topics, embedding = model(batch.ids, batch.mask)
    with torch.no_grad():
        wanted = teacher(batch.teacher_ids, batch.teacher_mask)
    each = F.binary_cross_entropy_with_logits(topics.float(), batch.targets, weight=batch.weights, reduction="none")
    topic = each.sum(1).mean()
    distance = (1.0 - (embedding * wanted).sum(1)).mean()
    parts = {"topic": topic.item(), "distance": distance.item()}
    return recipe.topic_weight * topic + recipe.embedding_weight * distance, parts


def train(
    model: NewsEncoder,
    teacher: Teacher,
    batches: list[TagBatch | TextBatch],
    recipe: Recipe,
    out: Path,
    done: int = 0,
) -> None:
    """Train `model` in place over `batches` in their order, from step `done` on.

    Writes out/checkpoint.pt (weights and the step) every 500 steps and at the end. What a resumed run lacks against an
    uninterrupted one is the optimiser's memory of the steps before.
    """
    heads = [p for name, p in model.named_parameters() if not name.startswith("trunk.")]
    optimiser = torch.optim.AdamW(
        [
            {"params": list(model.trunk.parameters()), "lr": recipe.encoder_rate},
            {"params": heads, "lr": recipe.head_rate},
        ],
        weight_decay=recipe.decay,
        fused=True,
    )
    steps, warm = len(batches), max(1, int(len(batches) * recipe.warm_up))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, (steps - done - step) / max(1, steps - warm))
    )
    model.train()
    began, means = time.monotonic(), {"tag": 0.0, "topic": 0.0, "distance": 0.0}
    for step, batch in enumerate(batches[done:], done + 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if isinstance(batch, TagBatch):
                loss = tag_loss(model, batch)
                parts = {"tag": loss.item()}
            else:
                loss, parts = text_loss(model, teacher, batch, recipe)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        schedule.step()
        for name, value in parts.items():
            means[name] += 0.02 * (value - means[name])
        if step % 50 == 0:
            log.info("step %d of %d, %.0f s, %s", step, steps, time.monotonic() - began, json.dumps(means))
        if step % 500 == 0 or step == steps:
            torch.save({"step": step, "model": model.state_dict()}, out / "checkpoint.tmp")
            (out / "checkpoint.tmp").replace(out / "checkpoint.pt")
    model.eval()
