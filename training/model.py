"""The networks: a BERT trunk with its heads, the embedder above it, the teacher; PyTorch only, no work at import."""

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import nn

from training.teacher import TeacherWeights

PAD = 1
TAGS = ("O", *(f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for prefix in "BI"))


class SharedDropout(nn.Module):
    """Dropout with one mask for all positions of a sequence: a fraction of the random numbers, which cost much."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0.0:
            return states
        keep = torch.rand(states.shape[0], 1, states.shape[2]) >= self.rate
        return states * (keep / (1.0 - self.rate)).to(states.dtype)


class Layer(nn.Module):
    """One post-norm transformer layer of BERT; states (batch, length, width) in and out, no attention dropout."""

    def __init__(self, width: int, heads: int, feed: int, epsilon: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.feed_in, self.feed_out = nn.Linear(width, feed), nn.Linear(feed, width)
        self.feed_norm = nn.LayerNorm(width, eps=epsilon)
        self.dropout = SharedDropout(dropout)

    def forward(self, states: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """`bias` (batch, 1, 1, length) is added to the attention scores: 0, or a large negative number on padding."""
        return self.feed(self.attend(states, bias))

    def attend(self, states: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The first half of the layer: what each position takes from the others."""
        batch, length, _ = states.shape

        def split(projected: torch.Tensor) -> torch.Tensor:
            return projected.view(batch, length, self.heads, -1).transpose(1, 2)

        query, key, value = split(self.query(states)), split(self.key(states)), split(self.value(states))
        if torch.is_grad_enabled():
            # Written out: the fused kernel's backward pass is several times slower on a CPU.
            scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
            mixed = scores.softmax(-1) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        mixed = self.attention_out(mixed.transpose(1, 2).flatten(2))
        out: torch.Tensor = self.attention_norm(states + self.dropout(mixed))
        return out

    def feed(self, states: torch.Tensor) -> torch.Tensor:
        """The second half, position by position; states (..., width)."""
        fed = self.feed_out(F.gelu(self.feed_in(states)))
        out: torch.Tensor = self.feed_norm(states + self.dropout(fed))
        return out


def part_of(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}


def layer_state(weights: TeacherWeights, number: int) -> dict[str, torch.Tensor]:
    """One of the teacher's layers as `Layer` names its tensors."""
    return part_of(weights.state, f"layers.{number}.")


def padding_bias(mask: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """What keeps attention off the positions where `mask` (batch, length) is 0: (batch, 1, 1, length)."""
    return (1.0 - mask[:, None, None, :].to(kind)) * -1e4


class Trunk(nn.Module):
    """Embeddings and the first `layers` layers of the teacher; token ids in, states (batch, length, width) out.

    The word embeddings are a buffer, not a parameter: they stay frozen in training.
    """

    def __init__(self, weights: TeacherWeights, layers: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("words", weights.state["words"])
        self.positions = nn.Parameter(weights.state["positions"].clone())
        self.norm = nn.LayerNorm(weights.width, eps=weights.epsilon)
        self.layers = nn.ModuleList(
            Layer(weights.width, weights.heads, weights.feed, weights.epsilon, dropout) for _ in range(layers)
        )
        self.dropout = SharedDropout(dropout)
        for number, layer in enumerate(self.layers):
            layer.load_state_dict(layer_state(weights, number))
        self.norm.load_state_dict(part_of(weights.state, "norm."))

    def look_up(self, ids: torch.Tensor) -> torch.Tensor:
        """Word vectors (batch, length, width) of token ids."""
        found: torch.Tensor = F.embedding(ids, self.words)  # type: ignore[arg-type]
        return found

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`ids` and `mask` (batch, length), mask 1 on tokens and 0 on padding."""
        return self.contextualise(self.look_up(ids), mask)

    def contextualise(self, vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States (batch, length, width) of word vectors of the same shape."""
        *_, states = self.every_layer(vectors, mask)
        return states

    def every_layer(self, vectors: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
        """As `contextualise`, after each layer from the first on."""
        states: torch.Tensor = self.dropout(self.norm(vectors + self.positions[: mask.shape[1]]))
        bias = padding_bias(mask, states.dtype)
        for layer in self.layers:
            states = layer(states, bias)
            yield states


def mean_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean state (batch, width) over the tokens of each sequence."""
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)


class Projection(nn.Module):
    """Mean-pooled state to the teacher's centred space: an identity-initialised projection and a small correction.

    It serves the training of the trunk alone, which keeps the sense of whole texts by it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.straight = nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.eye_(self.straight.weight)
        nn.init.zeros_(self.straight.bias)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(batch, width) in, unit vectors (batch, width) out."""
        moved = self.straight(pooled) + self.outer(F.gelu(self.inner(pooled)))
        return F.normalize(moved.float(), dim=-1)


class NewsEncoder(nn.Module):
    """One trunk; tag logits a token and topic logits a sequence are shipped, its projection is not."""

    def __init__(self, weights: TeacherWeights, topics: int, layers: int = 6, dropout: float = 0.1) -> None:
        super().__init__()
        self.trunk = Trunk(weights, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.tagger = nn.Linear(weights.width, len(TAGS))
        self.topic_inner = nn.Linear(weights.width, weights.width)
        self.topic_outer = nn.Linear(weights.width, topics)
        self.projection = Projection(weights.width)

    def tag(self, states: torch.Tensor) -> torch.Tensor:
        """Tag logits (batch, length, 9)."""
        logits: torch.Tensor = self.tagger(self.dropout(states))
        return logits

    def topic(self, pooled: torch.Tensor) -> torch.Tensor:
        """Topic logits (batch, topics) of pooled states."""
        logits: torch.Tensor = self.topic_outer(self.dropout(F.gelu(self.topic_inner(pooled))))
        return logits

    def scale_topics(self, scale: float, shift: float) -> None:
        """Make every topic logit `scale` times itself plus `shift`, in place."""
        with torch.no_grad():
            self.topic_outer.weight.mul_(scale)
            self.topic_outer.bias.mul_(scale).add_(shift)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(tag logits, topic logits, projected embedding) of `ids` and `mask` (batch, length)."""
        states = self.trunk(ids, mask)
        pooled = mean_pool(states, mask)
        return self.tag(states), self.topic(pooled), self.projection(pooled)


class Embedder(nn.Module):
    """The embedding's own network: some of the teacher's upper layers, above the states of a trained trunk.

    The last layer's second half works on the mean of the positions, not on each, which is two thirds of a layer less.
    """

    def __init__(self, weights: TeacherWeights, layers: tuple[int, ...]) -> None:
        """`layers`: numbers of the teacher's layers to begin with."""
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(weights.width, weights.heads, weights.feed, weights.epsilon, 0.0) for _ in layers
        )
        for layer, number in zip(self.layers, layers, strict=True):
            layer.load_state_dict(layer_state(weights, number))
        self.out = nn.Linear(weights.width, weights.width)
        nn.init.eye_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, width) of a trunk's states (batch, length, width); `mask` as the trunk takes it."""
        bias = padding_bias(mask, states.dtype)
        *before, last = self.layers
        for layer in before:
            states = layer(states, bias)
        pooled = mean_pool(last.attend(states, bias), mask)  # type: ignore[operator]
        return F.normalize(self.out(last.feed(pooled)).float(), dim=-1)  # type: ignore[operator]


class Teacher(nn.Module):
    """The untouched 12-layer model; gives the mean-centred unit embeddings that the student learns.

    It computes in numbers of one kind whatever autocast says: in bfloat16 it takes 0.85 of the time that it takes in
    float32 under autocast (`python -m training.step_figures`).
    """

    def __init__(self, weights: TeacherWeights, kind: torch.dtype) -> None:
        super().__init__()
        self.trunk = Trunk(weights, weights.layers, 0.0).to(kind)
        self.register_buffer("centre", torch.zeros(weights.width))
        self.eval()

    def pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Unit mean-pooled states (batch, width), not centred."""
        with torch.autocast("cpu", enabled=False):
            return F.normalize(mean_pool(self.trunk(ids, mask).float(), mask), dim=-1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Centred unit embeddings (batch, width) of sequences that begin with the prefix "query: "."""
        return F.normalize(self.pooled(ids, mask) - self.get_buffer("centre"), dim=-1)
