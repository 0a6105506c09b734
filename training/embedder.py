"""The training of the embedder: the teacher's embeddings from the states of a trunk that stays as it is.

Six layers that tag names do not hold what twelve make of a whole text; with some of the teacher's upper layers above
them they do. They read an article's opening only. Knowledge distillation (Hinton et al. 2015): one minus the cosine to
the teacher's centred embedding, and the squared differences of the cosines between the texts of a batch (Park et al.
2019).

Trunk and teacher read each batch once, which is the most of a step; what they said of it is kept in memory for later
passes: 768 bytes a sub-token.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training.batches import Batcher, TextBatch
from training.model import Embedder, NewsEncoder, Teacher, Trunk
from training.optimise import Checkpoint, Schedule, optimise
from training.tagging_data import TaggedDocument
from training.topic_data import TopicText, unlabelled

_SPLIT = 0.3
_SHORTEST = 12


@dataclass(frozen=True)
class EmbedderRecipe:
    """What a run is made of: the teacher's layers to begin with, sub-tokens that are embedded of a text, rates and
    weights, passes over all batches; then the budgets of one pass, sub-tokens of each set, by the beginning of its
    texts' ids, of which a round takes `share`.
    """

    layers: tuple[int, ...] = (8, 9, 10, 11)
    opening: int = 126
    rate: float = 8e-4
    decay: float = 0.01
    warm_up: float = 0.03
    relation_weight: float = 2.0
    windows: int = 6
    passes: int = 1
    share: float = 1.0
    iptc: int = 1_700_000
    taxonomy: int = 200_000
    bbc: int = 1_700_000
    masakha: int = 1_400_000
    sib: int = 500_000
    replay: int = 900_000
    slavic: int = 700_000
    tagged: int = 1_900_000


ROUNDS = (EmbedderRecipe(), EmbedderRecipe(rate=4e-4, passes=3, share=1 / 3))
"""One after the other: the second one goes on with the weights of the first, on other windows of the texts."""
SETS = ("iptc", "taxonomy", "bbc", "masakha", "sib", "replay", "slavic", "tagged")
_JOINED = ("iptc", "taxonomy")


def texts_of_documents(documents: Sequence[TaggedDocument]) -> list[TopicText]:
    """Documents of the entity sets as texts that only serve the embedding."""
    return [unlabelled(f"tagged-{document.id}", document.language, document.text) for document in documents]


def build_text_batches(batcher: Batcher, texts: Sequence[TopicText], recipe: EmbedderRecipe) -> list[TextBatch]:
    """All batches of the run, shuffled; sets without a text are left out."""
    batches: list[TextBatch] = []
    for name in SETS:
        chosen = [text for text in texts if text.id.startswith(f"{name}-")]
        if chosen:
            join = name in _JOINED
            tokens = round(getattr(recipe, name) * recipe.share)
            batches += batcher.texts(chosen, tokens, join=join, windows=recipe.windows)
    batcher.shuffle(batches)
    return batches


def opening_states(
    trunk: Trunk, batch: TextBatch, begin: int, end: int, cut: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(states, mask) of a batch's texts, (batch, length, width) and (batch, length); the special tokens are masked out.

    With `cut`, a column, each text goes through the trunk in two windows, as an opening may that is longer than one.
    """
    ids, mask = batch.ids, batch.mask
    text = mask * (ids != begin) * (ids != end)
    if cut is None:
        return trunk(ids, mask), text
    begins, ends = torch.full_like(ids[:, :1], begin), torch.full_like(ids[:, :1], end)
    one = torch.ones_like(mask[:, :1])
    first = trunk(torch.cat([ids[:, :cut], ends], 1), torch.cat([mask[:, :cut], one], 1))
    second = trunk(torch.cat([begins, ids[:, cut:]], 1), torch.cat([one, mask[:, cut:]], 1))
    return torch.cat([first[:, :-1], second[:, 1:]], 1), text


@dataclass(frozen=True)
class _Read:
    """What trunk and teacher say of a batch: states and mask as `opening_states` gives them, embeddings."""

    states: torch.Tensor
    mask: torch.Tensor
    wanted: torch.Tensor


def embedding_loss(found: torch.Tensor, wanted: torch.Tensor, relation_weight: float) -> torch.Tensor:
    """The loss of unit embeddings (batch, width) against the teacher's."""
    distance = (1.0 - (found * wanted).sum(1)).mean()
    relation = (found @ found.T - wanted @ wanted.T).square().mean()
    return distance + relation_weight * relation


def train_embedder(
    embedder: Embedder,
    model: NewsEncoder,
    teacher: Teacher,
    batches: Sequence[TextBatch],
    frame: tuple[int, int],
    recipe: EmbedderRecipe,
    checkpoint: Checkpoint,
    done: int = 0,
) -> None:
    """Train `embedder` in place from step `done` on; the model is only read. Each of the recipe's passes goes over all
    `batches` in another order.

    `frame` is the ids of the pieces <s> and </s>.
    """
    model.eval()
    draw = random.Random(len(batches))
    cuts: list[int | None] = []
    for batch in batches:
        shortest = int(batch.mask.sum(1).min())
        split = shortest >= _SHORTEST and draw.random() < _SPLIT
        cuts.append(draw.randint(shortest // 3, shortest * 2 // 3) if split else None)

    order = [number for _ in range(recipe.passes) for number in draw.sample(range(len(batches)), len(batches))]
    kept: dict[int, _Read] = {}

    @torch.no_grad()
    def read(number: int) -> _Read:
        if number in kept:
            return kept[number]
        batch = batches[number]
        wanted = teacher(batch.teacher_ids, batch.teacher_mask)
        states, mask = opening_states(model.trunk, batch, *frame, cuts[number])
        found = _Read(states.bfloat16(), mask, wanted)
        if recipe.passes > 1:  # what no later pass asks for would be gigabytes
            kept[number] = found
        return found

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = read(order[step])
        found = embedder(batch.states.float(), batch.mask)
        loss = embedding_loss(found, batch.wanted, recipe.relation_weight)
        return loss, {"distance": 1.0 - (found.detach() * batch.wanted).sum(1).mean().item()}

    groups = [{"params": list(embedder.parameters()), "lr": recipe.rate}]
    optimise(embedder, groups, step_loss, Schedule(len(order), recipe.warm_up, recipe.decay, done), checkpoint)
