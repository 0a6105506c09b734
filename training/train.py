"""The training of the trunk with its heads: single-task batches in a seeded order, a loss for each task.

Its layers are as wide as the teacher's for the first steps, then cut (`training/narrow.py`): what a layer uses least
shows after a while, and what is left has most of the steps to learn without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from training.batches import IGNORED, TagBatch, TextBatch
from training.model import TAGS, NewsEncoder, Teacher
from training.narrow import narrow, resume
from training.optimise import Checkpoint, Schedule, optimise
from training.precision import mixed

_LOOKED_AT = 60
TAGGED_SETS = ("conll", "ner_uk", "factrueval", "wikineural", "slavner", "wnut", "synthetic")
TEXT_SETS = ("iptc", "taxonomy", "bbc", "masakha", "sib", "replay", "slavic")


@dataclass(frozen=True)
class Recipe:
    """What a run is made of; `whole` is the part of its steps before the layers are cut to `feed` hidden units and
    `heads` heads; the budgets are sub-tokens of each set, 0 leaves a set out.
    """

    seed: int = 20251009
    vocabulary: int = 96_000
    window: int = 128
    stride: int = 116
    layers: int = 6
    whole: float = 0.2
    feed: int = 768
    heads: int = 8
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

    def __post_init__(self) -> None:
        """Raises ValueError for widths that leave a layer nothing, and for a part that is none."""
        if min(self.feed, self.heads) < 1:
            raise ValueError(f"a layer keeps at least one hidden unit and one head, not {self.feed} and {self.heads}")
        if not 0.0 <= self.whole < 1.0:
            raise ValueError(f"`whole` is a part of the steps, from 0 to below 1, not {self.whole}")


# Without the sets for research or non-commercial use only: more passes over the one English entity set that is left.
UNRESTRICTED = Recipe(conll=0, ner_uk=0, wikineural=0, bbc=0, wnut=900_000)


def centre_teacher(teacher: Teacher, batches: list[TextBatch]) -> None:
    """Set the teacher's centre to its mean embedding over some batches."""
    with torch.no_grad(), mixed():
        rows = torch.cat([teacher.pooled(batch.teacher_ids, batch.teacher_mask) for batch in batches])
    teacher.centre = rows.mean(0)


def tag_loss(model: NewsEncoder, states: torch.Tensor, batch: TagBatch) -> torch.Tensor:
    """Cross-entropy over the sub-tokens of a tagging batch, of its states (batch, length, width)."""
    logits = model.tag(states).float()
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
    batches: Sequence[TagBatch | TextBatch],
    recipe: Recipe,
    checkpoint: Checkpoint,
) -> None:
    """Train `model` in place over `batches` in their order, and cut its layers on the way.

    A run that was broken off goes on at its checkpoint, with the same batches.
    """

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = batches[step]
        if isinstance(batch, TextBatch):
            return text_loss(model, teacher, batch, recipe)
        loss = tag_loss(model, model.trunk(batch.ids, batch.mask), batch)
        return loss, {"tag": loss.item()}

    def train_on(done: int, end: int) -> None:
        heads = [p for name, p in model.named_parameters() if not name.startswith("trunk.")]
        groups = [
            {"params": list(model.trunk.parameters()), "lr": recipe.encoder_rate},
            {"params": heads, "lr": recipe.head_rate},
        ]
        schedule = Schedule(len(batches), recipe.warm_up, recipe.decay, done, end)
        optimise(model, groups, step_loss, schedule, checkpoint)

    done, whole = resume(model, checkpoint), round(len(batches) * recipe.whole)
    if done < whole:
        train_on(done, whole)
    if done <= whole:
        narrow(model.trunk, batches[:_LOOKED_AT], recipe.feed, recipe.heads)
    train_on(max(done, whole), len(batches))
