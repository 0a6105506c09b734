"""Windows over a long sequence of sub-tokens: all of it is read, each token where it has the most context."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start` to `end` go through the model; the results of `first` to `last` are kept."""

    start: int
    end: int
    first: int
    last: int


def plan(tokens: int, size: int, stride: int, most: int) -> tuple[Window, ...]:
    """The fewest windows of at most `size` tokens that overlap by `size - stride`, as even as can be; at most `most`.

    Of an overlap, each window keeps the half that is nearer to its middle. Tokens beyond `most` windows are not
    covered. Raises ValueError for sizes that leave gaps.
    """
    if not 0 < stride <= size:
        raise ValueError(f"a stride of {stride} tokens does not fit windows of {size}")
    overlap = size - stride
    tokens = min(tokens, size + stride * (most - 1))
    if tokens <= 0:
        return ()
    count = max(1, math.ceil((tokens - overlap) / stride))
    # Even windows read no token more often than the overlap asks for, where a last full one would.
    starts = [round(number * (tokens - overlap) / count) for number in range(count)]
    ends = [*(start + overlap for start in starts[1:]), tokens]
    cuts = [0, *((left + right) // 2 for left, right in zip(starts[1:], ends[:-1], strict=True)), tokens]
    return tuple(
        Window(start, end, first, last)
        for start, end, first, last in zip(starts, ends, cuts[:-1], cuts[1:], strict=True)
    )
