"""Embeddings as integers: sums and dot products of integers are exact, so a similarity is the same bytes anywhere."""

import binascii
import math
from base64 import b64decode, b64encode

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.int64]

SUM_MAX = 64
"""Embeddings in a sum before it is halved: old articles weigh less, and a part stays within 16 bits."""


def decode_embedding(text: str) -> Vector:
    """An article's embedding (base64 of int8). Raises ValueError for what is none."""
    try:
        raw = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the embedding is not base64: {error}") from None
    if not raw:
        raise ValueError("the embedding is empty")
    return np.frombuffer(raw, dtype=np.int8).astype(np.int64)


def encode_sum(vector: Vector) -> str:
    """A sum of embeddings as base64 of 16-bit integers (little endian)."""
    return b64encode(vector.astype("<i2").tobytes()).decode()


def decode_sum(text: str) -> Vector:
    """A sum of embeddings from its row."""
    return np.frombuffer(b64decode(text), dtype="<i2").astype(np.int64)


def add_to_sum(total: Vector | None, count: int, vector: Vector) -> tuple[Vector, int]:
    """The sum and the count with one embedding more; another model's (of another length) begins the sum anew."""
    if total is None or total.shape != vector.shape:
        return vector, 1
    if count >= SUM_MAX:
        total, count = total // 2, count // 2
    return total + vector, count + 1


def add_sums(one: tuple[Vector | None, int], other: tuple[Vector | None, int]) -> tuple[Vector | None, int]:
    """The sum of two sums, each with its count; of sums of different models the first."""
    (total, count), (added, more) = one, other
    if total is None:
        return added, more
    if added is None or added.shape != total.shape:
        return total, count
    total, count = total + added, count + more
    return (total // 2, count // 2) if count > SUM_MAX else (total, count)


def square(vector: Vector) -> int:
    """The squared length of a vector."""
    return int(vector @ vector)


def cosine(one: Vector, other: Vector, square_one: int, square_other: int) -> float:
    """Cosine of two vectors of one length, given their squared lengths; 0 where either is all zeros."""
    squares = square_one * square_other
    return int(one @ other) / math.sqrt(squares) if squares else 0.0


def bands(vector: Vector, width: int, count: int) -> tuple[int, ...]:
    """`count` numbers of `width` bits, the signs of as many parts of the vector: near vectors share some of them.

    Random-hyperplane hashing (Charikar 2002) with the axes as the hyperplanes, which a centred embedding allows.
    """
    count = min(count, len(vector) // width)
    signs = (vector[: width * count] > 0).reshape(count, width)
    return tuple((signs @ (1 << np.arange(width))).tolist())
