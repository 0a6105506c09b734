"""The numbers of a training's products: never a kind that the processor has no instruction for."""

import pytest

from tests.torch_installed import with_torch


@with_torch
@pytest.mark.parametrize(
    ("flags", "short"),
    [
        ({"avx2", "fma"}, False),
        ({"avx2", "avx512bw", "avx512_vnni"}, False),
        ({"avx2", "avx512bw", "avx512_bf16"}, True),
        ({"amx_tile", "amx_bf16"}, True),
        ({"asimd", "bf16"}, True),
        (set(), False),
    ],
)
def test_products_are_in_bfloat16_only_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], short: bool
) -> None:
    import torch

    from training import precision

    monkeypatch.setattr(precision, "feature_flags", lambda: frozenset(flags))
    kind = torch.bfloat16 if short else torch.float32
    assert precision.this_kind() == kind
    states, weights = torch.ones(2, 3), torch.ones(3, 4)
    with precision.mixed():
        assert (states @ weights).dtype == kind
    assert (states @ weights).dtype == torch.float32
