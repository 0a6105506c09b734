"""Narrower feed-forward layers: hidden units that add little are cut out of a trained trunk, and the rest learns on.

Two thirds of the trunk's products with weights are its feed-forward layers, and a unit of theirs that is hardly ever
active costs as much as any other. A unit's importance is the mean square of what it gives times the squared length of
its outgoing weights: the energy of what it adds (He et al. 2014, "Reshaping deep network for fast decoding"). What is
left learns the entities' labels again, and for all else from the trunk as it was: its states after each layer (Jiao et
al. 2020, "TinyBERT"), and its topics (Hinton et al. 2015).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import nn

from training.batches import TagBatch, TextBatch
from training.model import Layer, NewsEncoder, Trunk, mean_pool
from training.optimise import Checkpoint, Schedule, optimise
from training.train import TAGGED_SETS, TEXT_SETS, Recipe, tag_loss

_LOOKED_AT = 60


@dataclass(frozen=True)
class NarrowRecipe:
    """What is left of a layer, hidden units; the share of the first training's budgets that the second one has; rates
    and weights of the losses beside the tagging cross-entropy.
    """

    feed: int = 768
    share: float = 0.3
    encoder_rate: float = 2e-4
    head_rate: float = 4e-4
    decay: float = 0.01
    warm_up: float = 0.05
    state_weight: float = 1.0
    topic_weight: float = 0.3

    def part_of(self, first: Recipe) -> Recipe:
        """The second training's budgets, and a seed of its own."""
        return replace(
            first,
            seed=first.seed + 1,
            **{name: round(getattr(first, name) * self.share) for name in (*TAGGED_SETS, *TEXT_SETS)},
        )


def importance(trunk: Trunk, batches: Sequence[TagBatch | TextBatch]) -> list[torch.Tensor]:
    """The importance of the hidden units of each layer, (units,), over the sub-tokens of some batches."""
    energy = [torch.zeros(layer.feed_in.out_features) for layer in _layers(trunk)]
    weight: list[torch.Tensor] = []

    def add_up(number: int, hidden: torch.Tensor) -> None:
        energy[number] += (hidden.float().square() * weight[0]).sum((0, 1))

    hooks = [
        layer.feed_out.register_forward_pre_hook(lambda _, given, number=number: add_up(number, given[0]))
        for number, layer in enumerate(_layers(trunk))
    ]
    with torch.no_grad():
        for batch in batches:
            weight[:] = [batch.mask.unsqueeze(-1).float()]
            trunk(batch.ids, batch.mask)
    for hook in hooks:
        hook.remove()
    return [
        one * layer.feed_out.weight.detach().square().sum(0) for one, layer in zip(energy, _layers(trunk), strict=True)
    ]


def cut(trunk: Trunk, units: Sequence[torch.Tensor]) -> None:
    """Leave the feed-forward layers of a trunk the hidden units with these numbers, in place."""
    for layer, kept in zip(_layers(trunk), units, strict=True):
        width = layer.feed_in.in_features
        inner, outer = nn.Linear(width, len(kept)), nn.Linear(len(kept), width)
        with torch.no_grad():
            inner.weight.copy_(layer.feed_in.weight[kept])
            inner.bias.copy_(layer.feed_in.bias[kept])
            outer.weight.copy_(layer.feed_out.weight[:, kept])
            outer.bias.copy_(layer.feed_out.bias)
        layer.feed_in, layer.feed_out = inner, outer


def resize(trunk: Trunk, widths: Sequence[int]) -> None:
    """Give the feed-forward layers of a trunk so many hidden units each, whose weights are to be loaded after it."""
    cut(trunk, [torch.zeros(width, dtype=torch.long) for width in widths])


def most_important(found: Sequence[torch.Tensor], feed: int) -> list[torch.Tensor]:
    """The numbers of the `feed` most important units of each layer, in their order."""
    return [one.topk(feed).indices.sort().values for one in found]


def narrow(
    model: NewsEncoder,
    batches: Sequence[TagBatch | TextBatch],
    recipe: NarrowRecipe,
    checkpoint: Checkpoint,
) -> None:
    """Cut the trunk of `model` to the recipe's width by its first batches, and train it over all of them, in place.

    A run that was broken off goes on at its checkpoint, with the same batches.
    """
    wide = copy.deepcopy(model).eval()
    cut(model.trunk, most_important(importance(wide.trunk, batches[:_LOOKED_AT]), recipe.feed))
    done = checkpoint.resume(model)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = batches[step]
        with torch.no_grad():
            wanted = list(wide.trunk.every_layer(wide.trunk.look_up(batch.ids), batch.mask))
        found = list(model.trunk.every_layer(model.trunk.look_up(batch.ids), batch.mask))
        each = [state_distance(mine, its, batch.mask) for mine, its in zip(found, wanted, strict=True)]
        distance = recipe.state_weight * torch.stack(each).mean()
        if isinstance(batch, TagBatch):
            loss = tag_loss(model, found[-1], batch)
            return loss + distance, {"tag": loss.item(), "last of tagged": each[-1].item()}
        with torch.no_grad():
            chances = wide.topic(mean_pool(wanted[-1], batch.mask)).float().sigmoid()
        logits = model.topic(mean_pool(found[-1], batch.mask)).float()
        loss = F.binary_cross_entropy_with_logits(logits, chances, reduction="none").sum(1).mean()
        return recipe.topic_weight * loss + distance, {"topic": loss.item(), "last of texts": each[-1].item()}

    own = [parameter for name, parameter in model.named_parameters() if not name.startswith("trunk.")]
    groups = [
        {"params": list(model.trunk.parameters()), "lr": recipe.encoder_rate},
        {"params": own, "lr": recipe.head_rate},
    ]
    optimise(model, groups, step_loss, Schedule(len(batches), recipe.warm_up, recipe.decay, done), checkpoint)


def state_distance(states: torch.Tensor, wanted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the sub-tokens of the squared difference of their states (batch, length, width), in parts of the
    wanted state's square: <s>, whose state is several times as long as any other, counts like any other.
    """
    difference = (states.float() - wanted.float()).square().sum(-1) / wanted.float().square().sum(-1)
    return (difference * mask).sum() / mask.sum()


def _layers(trunk: Trunk) -> list[Layer]:
    return [layer for layer in trunk.layers if isinstance(layer, Layer)]
