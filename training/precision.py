"""The numbers that a training computes its products in: bfloat16 where the processor multiplies it, else float32."""

import torch

from newswire.pipeline.analysis.hardware import feature_flags

# As /proc/cpuinfo names them, of x86 and of ARM.
_BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def product_kind(flags: frozenset[str]) -> torch.dtype:
    """bfloat16 for a processor with these features, or float32.

    A processor that has no such instruction takes a hundred times as long for a product in bfloat16
    (`python -m training.step_figures`).
    """
    return torch.bfloat16 if flags & _BFLOAT16 else torch.float32


def this_kind() -> torch.dtype:
    """`product_kind` of this machine."""
    return product_kind(feature_flags())


def mixed() -> torch.autocast:
    """A block whose products are computed in this machine's kind of numbers, and all else in float32."""
    kind = this_kind()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind is torch.bfloat16)
