"""Massive activations: a switch is found, and spread it leaves the graph's results nearer to those without int8."""

from pathlib import Path

import pytest

from tests.torch_installed import with_torch

UNIT, LAYER = 5, 0


@with_torch
def test_only_what_is_massive_or_far_below_zero_is_a_switch() -> None:
    import numpy as np

    from training.spread import Switch, switch_of

    off = np.linspace(-20.0, -4.0, 1000, dtype=np.float32)
    found = switch_of(2, 7, np.concatenate((off, np.full(20, 30.0, np.float32))))
    assert isinstance(found, Switch)
    assert (found.layer, found.unit, found.copies) == (2, 7, 5)
    assert found.copies * (found.gain * 30.0 + found.shift) == pytest.approx(30.0)
    assert found.gain * -4.0 + found.shift == pytest.approx(-3.0)
    assert switch_of(2, 7, np.concatenate((off, np.full(20, 9.0, np.float32)))) is None
    between = np.linspace(0.5, 30.0, 100, dtype=np.float32)
    assert switch_of(2, 7, np.concatenate((off, between))) is None
    assert switch_of(2, 7, between) is None


@with_torch
def test_a_switch_is_spread_and_the_results_are_nearer_to_those_without_int8(tmp_path: Path) -> None:
    import numpy as np
    import onnxruntime
    import torch

    from tests.unit.training.test_making import LAYERS, weights
    from training.export import export_graph
    from training.model import NewsEncoder
    from training.spread import MASSIVE, find_switches, inputs_of, spread
    from training.topic_data import TOPICS

    model = NewsEncoder(weights(), len(TOPICS), LAYERS).eval()
    drawn = np.random.default_rng(4)
    windows = [np.array([0, *drawn.integers(5, 5000, 40), 2]) for _ in range(40)]
    graph = tmp_path / "model.onnx"
    export_graph(model, 128, graph)
    assert find_switches(graph, windows) == []

    layer = model.trunk.layers[LAYER]
    seen: list[torch.Tensor] = []
    hook = layer.attention_norm.register_forward_hook(lambda _, __, out: seen.append(out[0, 0]))  # type: ignore[union-attr]
    read = [torch.tensor(window[None]) for window in windows]
    with torch.no_grad():
        for ids in read:
            model(ids, torch.ones_like(ids))
        hook.remove()
        begin = torch.stack(seen).mean(0)
        layer.feed_in.weight[UNIT] = 300.0 * begin / begin.square().sum()  # type: ignore[union-attr, operator]
        layer.feed_in.bias[UNIT] = -240.0  # type: ignore[union-attr, operator]
        wanted = [[part[0].numpy() for part in model(ids, torch.ones_like(ids))[:2]] for ids in read]
    export_graph(model, 128, graph)

    def distance() -> float:
        session = onnxruntime.InferenceSession(str(graph))
        names = ["tag_logits", "topic_logits"]
        given = [session.run(names, {"input_ids": window}) for window in windows]
        pairs = [pair for each, other in zip(given, wanted, strict=True) for pair in zip(each, other, strict=True)]
        return float(np.mean([np.abs(one - other).mean() for one, other in pairs]))

    before = distance()
    (switch,) = find_switches(graph, windows)
    assert (switch.layer, switch.unit) == (LAYER, UNIT)
    assert spread(graph, windows) == [switch]
    assert distance() < 0.4 * before
    assert find_switches(graph, windows) == []
    assert all(inputs.max() < MASSIVE for inputs in inputs_of(graph, windows).values())
