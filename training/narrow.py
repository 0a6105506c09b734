"""Narrower layers: heads and hidden units that add little are cut out of a trunk in training.

Two thirds of the trunk's products with weights are its feed-forward layers, and a unit of theirs that is hardly ever
active costs as much as any other. A unit's importance is the mean square of what it gives times the squared length of
its outgoing weights: the energy of what it adds (He et al. 2014, "Reshaping deep network for fast decoding"). That of a
head is the variance of what it adds, because one that looks at <s> when it finds nothing (Clark et al. 2019, "What does
BERT look at?") adds much, and always the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from training.batches import TagBatch, TextBatch
from training.model import Layer, NewsEncoder, Trunk, part_of
from training.optimise import Checkpoint


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


def narrow(trunk: Trunk, batches: Sequence[TagBatch | TextBatch], feed: int, heads: int) -> None:
    """Leave each layer of a trunk its most important hidden units and heads over some batches, in place."""
    trunk.eval()
    cut(layers_of(trunk), most_important(importance(trunk, batches), feed, heads))


def resume(model: NewsEncoder, checkpoint: Checkpoint) -> int:
    """As `load` where the file exists; 0 without a file, which is where a run begins."""
    return load(model, checkpoint) if checkpoint.path.is_file() else 0


def load(model: NewsEncoder, checkpoint: Checkpoint) -> int:
    """Load an encoder's weights, its layers made as narrow as those are; returns the step.

    Raises FileNotFoundError where nothing was trained.
    """
    saved = torch.load(checkpoint.path)["model"]
    layers = layers_of(model.trunk)
    resize(layers, [part_of(saved, f"trunk.layers.{number}.") for number in range(len(layers))])
    return checkpoint.load(model)


def layers_of(trunk: Trunk) -> list[Layer]:
    """The layers of a trunk, from the first on."""
    return [layer for layer in trunk.layers if isinstance(layer, Layer)]
