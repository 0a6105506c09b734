"""Windows over a long sequence of sub-tokens: all of it is read, each token where it has the most context."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start` to `end` go through the model; the results of `first` to `last` are kept."""

    start: int
    end: int
    first: int
    last: int


def plan(tokens: int, size: int, stride: int, most: int) -> tuple[Window, ...]:
    """Windows over `tokens` tokens: `size` tokens each, a new one every `stride`, at most `most` of them.

    The last window is moved back so that it is full. Of an overlap, each window keeps the half that is nearer to its
    middle. Tokens beyond `most` windows are not covered. Raises ValueError for sizes that leave gaps.
    """
    if not 0 < stride <= size:
        raise ValueError(f"a stride of {stride} tokens does not fit windows of {size}")
    tokens = min(tokens, size + stride * (most - 1))
    if tokens <= 0:
        return ()
    starts = list(range(0, max(1, tokens - size + stride), stride))
    starts[-1] = max(0, tokens - size)
    ends = [min(tokens, start + size) for start in starts]
    cuts = [0, *((left + right) // 2 for left, right in zip(starts[1:], ends[:-1], strict=True)), tokens]
    return tuple(
        Window(start, end, first, last)
        for start, end, first, last in zip(starts, ends, cuts[:-1], cuts[1:], strict=True)
    )
