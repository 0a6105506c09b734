"""Embeddings as integers."""

from base64 import b64encode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from newswire.pipeline.stories.vectors import (
    SUM_MAX,
    add_to_sum,
    bands,
    cosine,
    decode_embedding,
    decode_sum,
    encode_sum,
    square,
)
from tests.unit.stories.articles import embedding


@pytest.mark.parametrize("text", ["", "not base64!", "QQ"])
def test_what_is_no_embedding_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="embedding"):
        decode_embedding(text)


def test_an_embedding_is_read_as_signed_bytes() -> None:
    values = [-127, -1, 0, 1, 127]
    assert decode_embedding(b64encode(np.array(values, np.int8).tobytes()).decode()).tolist() == values


@given(st.lists(arrays(np.int64, 8, elements=st.integers(-127, 127)), min_size=1, max_size=200))
def test_a_sum_stays_within_16_bits_and_comes_back_from_its_row(vectors: list[NDArray[np.int64]]) -> None:
    total, count = None, 0
    for vector in vectors:
        total, count = add_to_sum(total, count, vector)
        assert count <= SUM_MAX
        assert np.array_equal(decode_sum(encode_sum(total)), total)


def test_another_models_embedding_begins_anew() -> None:
    total, count = add_to_sum(np.ones(8, np.int64), 5, np.ones(4, np.int64))
    assert (len(total), count) == (4, 1)


def test_cosine() -> None:
    one, near, far = (decode_embedding(text) for text in (embedding(1), embedding(1, 0.3), embedding(2)))
    assert cosine(one, one, square(one), square(one)) == 1.0
    assert cosine(one, near, square(one), square(near)) > 0.9
    assert abs(cosine(one, far, square(one), square(far))) < 0.2
    assert cosine(one, np.zeros(384, np.int64), square(one), 0) == 0.0


def test_near_vectors_share_bands_and_others_hardly() -> None:
    one, near, far = (decode_embedding(text) for text in (embedding(1), embedding(1, 0.3), embedding(2)))
    shared = [
        sum(a == b for a, b in zip(bands(one, 12, 16), bands(other, 12, 16), strict=True)) for other in (near, far)
    ]
    assert shared[0] >= 2
    assert shared[1] <= 1
    assert bands(np.ones(5, np.int64), 12, 16) == ()
