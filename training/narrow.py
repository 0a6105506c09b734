"""Narrower layers: heads and hidden units that add little are cut out of a trained trunk, and the rest learns on.

Two thirds of the trunk's products with weights are its feed-forward layers, and a unit of theirs that is hardly ever
active costs as much as any other. A unit's importance is the mean square of what it gives times the squared length of
its outgoing weights: the energy of what it adds (He et al. 2014, "Reshaping deep network for fast decoding"). That of a
head is the variance of what it adds, because one that looks at <s> when it finds nothing (Clark et al. 2019, "What does
BERT look at?") adds much, and always the same. What is left learns the entities' labels again, and for all else from
the trunk as it was: its states after each layer (Jiao et al. 2020, "TinyBERT"), and its topics (Hinton et al. 2015).
"""

from collections.abc import Mapping, Sequence
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
    """What a round is made of: what is left of a layer, hidden units and heads; the share of the first training's
    budgets that it has; rates and weights of the losses beside the tagging cross-entropy.
    """

    feed: int
    heads: int
    share: float = 0.3
    encoder_rate: float = 2e-4
    head_rate: float = 4e-4
    decay: float = 0.01
    warm_up: float = 0.05
    state_weight: float = 1.0
    topic_weight: float = 0.3

    def __post_init__(self) -> None:
        """Raises ValueError for widths that leave a layer nothing."""
        if min(self.feed, self.heads) < 1:
            raise ValueError(f"a layer keeps at least one hidden unit and one head, not {self.feed} and {self.heads}")

    def part_of(self, first: Recipe, number: int) -> Recipe:
        """The budgets of round `number`, and a seed of its own."""
        return replace(
            first,
            seed=first.seed + number,
            **{name: round(getattr(first, name) * self.share) for name in (*TAGGED_SETS, *TEXT_SETS)},
        )


def rounds_of(feed: int, heads: int) -> tuple[NarrowRecipe, ...]:
    """One after the other: the second one goes on with the weights of the first, on other windows of the texts."""
    return NarrowRecipe(feed, heads), NarrowRecipe(feed, heads, share=0.15, encoder_rate=1e-4, head_rate=2e-4)


@dataclass(frozen=True)
class Part:
    """Something for each hidden unit and each head of a layer: `units` (units,) and `heads` (heads,)."""

    units: torch.Tensor
    heads: torch.Tensor


class _Sums:
    """What a layer's hidden units and heads give, summed up over sub-tokens."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        size = layer.attention_out.in_features // layer.heads
        self._energy = torch.zeros(layer.feed_in.out_features)
        self._count = torch.zeros(())
        self._mixed = torch.zeros(layer.heads, size)
        self._products = torch.zeros(layer.heads, size, size)

    def add_hidden(self, hidden: torch.Tensor, mask: torch.Tensor) -> None:
        """Add what the hidden units give: (batch, length, units); `mask` (batch, length)."""
        self._energy += hidden.float()[mask.bool()].square().sum(0)

    def add_mixed(self, mixed: torch.Tensor, mask: torch.Tensor) -> None:
        """Add what the heads give, one after the other: (batch, length, heads * size)."""
        each = mixed.float()[mask.bool()].view(-1, *self._mixed.shape)
        self._count += len(each)
        self._mixed += each.sum(0)
        self._products += torch.einsum("nhi,nhj->hij", each, each)

    def importance(self) -> Part:
        """Energy of what each unit adds, and variance of what each head adds, both times the sub-tokens."""
        outgoing = self._layer.attention_out.weight.detach().view(-1, *self._mixed.shape)
        lengths = torch.einsum("ohi,ohj->hij", outgoing, outgoing)
        mean = self._mixed / self._count
        spread = self._products - self._count * torch.einsum("hi,hj->hij", mean, mean)
        return Part(self._energy * self._layer.feed_out.weight.detach().square().sum(0), (lengths * spread).sum((1, 2)))


def importance(trunk: Trunk, batches: Sequence[TagBatch | TextBatch]) -> list[Part]:
    """The importance of the hidden units and the heads of each layer, over the sub-tokens of some batches."""
    found = [(layer, _Sums(layer)) for layer in layers_of(trunk)]
    masks: list[torch.Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, values, add=add: add(values[0], masks[0]))
        for layer, sums in found
        for module, add in ((layer.feed_out, sums.add_hidden), (layer.attention_out, sums.add_mixed))
    ]
    with torch.no_grad():
        for batch in batches:
            masks[:] = [batch.mask]
            trunk(batch.ids, batch.mask)
    for hook in hooks:
        hook.remove()
    return [sums.importance() for _, sums in found]


def cut(layers: Sequence[Layer], kept: Sequence[Part]) -> None:
    """Leave layers the hidden units and the heads with these numbers, in place."""
    for layer, part in zip(layers, kept, strict=True):
        size = layer.query.out_features // layer.heads
        mixed = (part.heads[:, None] * size + torch.arange(size)).flatten()
        layer.query, layer.key, layer.value = (_rows(of, mixed) for of in (layer.query, layer.key, layer.value))
        layer.attention_out = _columns(layer.attention_out, mixed)
        layer.heads = len(part.heads)
        layer.feed_in, layer.feed_out = _rows(layer.feed_in, part.units), _columns(layer.feed_out, part.units)


def _rows(linear: nn.Linear, kept: torch.Tensor) -> nn.Linear:
    return _linear(linear.weight[kept], linear.bias[kept])


def _columns(linear: nn.Linear, kept: torch.Tensor) -> nn.Linear:
    return _linear(linear.weight[:, kept], linear.bias)


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    found = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        found.weight.copy_(weight)
        found.bias.copy_(bias)
    return found


def resize(layers: Sequence[Layer], saved: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """Make layers as wide as others are by their tensors, which are to be loaded after it."""
    sizes = (layer.query.out_features // layer.heads for layer in layers)
    cut(
        layers,
        [
            Part(torch.zeros_like(state["feed_in.bias"]).long(), torch.zeros(len(state["query.bias"]) // size).long())
            for state, size in zip(saved, sizes, strict=True)
        ],
    )


def most_important(found: Sequence[Part], feed: int, heads: int) -> list[Part]:
    """The numbers of the `feed` most important units and `heads` most important heads of each layer, in their order.
    All of them, where a layer has no more.
    """
    return [Part(_highest(one.units, feed), _highest(one.heads, heads)) for one in found]


def _highest(values: torch.Tensor, most: int) -> torch.Tensor:
    return values.topk(min(most, len(values))).indices.sort().values


def narrow(
    model: NewsEncoder,
    wide: NewsEncoder,
    batches: Sequence[TagBatch | TextBatch],
    recipe: NarrowRecipe,
    checkpoint: Checkpoint,
) -> None:
    """Cut the trunk of `model` to the recipe's widths by its first batches, where it is wider, and train it over all of
    them, in place; it learns from `wide`.

    A run that was broken off goes on at its checkpoint, with the same batches.
    """
    found = importance(model.trunk, batches[:_LOOKED_AT])
    cut(layers_of(model.trunk), most_important(found, recipe.feed, recipe.heads))
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


def layers_of(trunk: Trunk) -> list[Layer]:
    """The layers of a trunk, from the first on."""
    return [layer for layer in trunk.layers if isinstance(layer, Layer)]
