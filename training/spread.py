"""Massive activations spread over several hidden units: `python -m training.spread --data FOLDER [--model FOLDER]`.

A few hidden units of the feed-forward layers are switches (Sun et al. 2024, "Massive activations in large language
models"): at <s> and </s> they reach 12 to 80, where no other unit goes beyond 9, and at every other sub-token their
input is below 0. Dynamic int8 has one scale for all units, so that one switch leaves the others a few of its 255
steps (Bondarenko et al. 2021, "Understanding and overcoming the challenges of efficient transformer quantization").

Where the input of a unit is either high or well below 0, its GELU is the input or 0, and so is the sum of `copies`
units with the same outgoing weights and `gain` times the input plus `shift`, none of which is high. It is done in the
int8 graph: the copies take the weights' own integers, and only scales and biases change.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

from newswire.pipeline.analysis.encoder import Encoder
from training import topic_data as topics
from training.archives import unpack
from training.arguments import of_model
from training.model_files import write_checksums

Floats = npt.NDArray[np.float32]
Windows = Sequence[npt.NDArray[np.int64]]

MASSIVE = 10.0
"""What no unit reaches that is not a switch; the command prints the highest input of each layer, before and after."""
_HIGH = 6.0
_OFF = -3.0
_SAMPLE = 300
_BLOCK = 16
_BIAS = "layers.{}.feed_in.bias"
_IN = "layers.{}.feed_in.weight_Transposed_{}"
_OUT = "layers.{}.feed_out.weight_Transposed_quantized"


@dataclass(frozen=True)
class Switch:
    """A hidden unit of a layer that is massive or off, and what it is replaced with: units in place of one, and the
    `gain` and `shift` of their inputs.
    """

    layer: int
    unit: int
    copies: int
    gain: float
    shift: float


def switch_of(layer: int, unit: int, inputs: Floats) -> Switch | None:
    """The switch that a unit is by its inputs (sub-tokens,); None where it is not massive, or something in between.

    The median of the massive inputs gives what it gave, and the highest of the others comes to lie at -3, where GELU is
    0.004 below 0. The line through both has not the slope 1 (but `copies` times `gain`, 1.4 to 1.6 in what is shipped),
    so that inputs beside the median give a little more or less than they gave.
    """
    on, off = inputs[inputs > 0], inputs[inputs <= 0]
    if inputs.max() < MASSIVE or not len(off) or np.quantile(on, 0.01) < np.median(on) / 4:
        return None
    usual, nearest = float(np.median(on)), float(off.max())
    copies = int(np.ceil(usual / _HIGH))
    gain = (usual / copies - _OFF) / (usual - nearest)
    return Switch(layer, unit, copies, gain, usual / copies - gain * usual)


def inputs_of(graph: Path, windows: Windows) -> dict[int, Floats]:
    """What the hidden units of an int8 reading graph are given in windows of ids: (sub-tokens, units) of each layer."""
    model = onnx.load(graph)
    taken = {name: node.output[0] for node in model.graph.node if node.op_type == "Add" for name in node.input}
    layers = [number for number in range(len(taken)) if _BIAS.format(number) in taken]
    wanted = [taken[_BIAS.format(number)] for number in layers]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = zip(*(session.run(wanted, {"input_ids": window}) for window in windows), strict=True)
    return {layer: np.concatenate(parts) for layer, parts in zip(layers, given, strict=True)}


def find_switches(graph: Path, windows: Windows) -> list[Switch]:
    """The switches of an int8 reading graph, by what its hidden units are given in windows of ids."""
    found = []
    for layer, inputs in inputs_of(graph, windows).items():
        massive = np.flatnonzero(inputs.max(0) >= MASSIVE).tolist()
        found += [switch_of(layer, unit, inputs[:, unit]) for unit in massive]
    return [switch for switch in found if switch is not None]


def _widened(values: npt.NDArray[np.generic], more: list[int], axis: int) -> npt.NDArray[np.generic]:
    """The values of a layer's units along `axis`, then those of the units `more` again, then zeros up to the block."""
    shape = list(values.shape)
    shape[axis] = -len(more) % _BLOCK
    return np.concatenate((values, np.take(values, more, axis), np.zeros(shape, values.dtype)), axis)


def spread(graph: Path, windows: Windows) -> list[Switch]:
    """Replace the switches of an int8 reading graph by their copies, in place; returns them.

    A layer has sixteen more units then, or a multiple of it: what its copies leave over has no weight.
    """
    switches = find_switches(graph, windows)
    model = onnx.load(graph)
    there = {tensor.name: tensor for tensor in model.graph.initializer}

    def change(name: str, values: npt.NDArray[np.generic]) -> None:
        there[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))

    for layer in sorted({switch.layer for switch in switches}):
        own = [switch for switch in switches if switch.layer == layer]
        more = [switch.unit for switch in own for _ in range(switch.copies - 1)]
        names = [_BIAS.format(layer), *(_IN.format(layer, part) for part in ("scale", "zero_point", "quantized"))]
        bias, scale, zero, weights = (numpy_helper.to_array(there[name]).copy() for name in names)
        for switch in own:
            scale[switch.unit] *= switch.gain
            bias[switch.unit] = switch.gain * bias[switch.unit] + switch.shift
        for name, values in zip(names, (bias, scale, zero, weights), strict=True):
            change(name, _widened(values, more, -1))
        outgoing = _OUT.format(layer)
        change(outgoing, _widened(numpy_helper.to_array(there[outgoing]), more, 0))
    del model.graph.value_info[:]  # they hold the widths of the layers without the copies
    onnx.save(model, graph)
    return switches


def openings(encoder: Encoder, texts: Sequence[str]) -> Windows:
    """A window of ids from the beginning of each of some hundred texts, those that are spread evenly over all."""
    chosen = [encoder.tokenize(text).ids for text in texts[:: max(1, len(texts) // _SAMPLE)]]
    return [encoder.framed(ids[: encoder.settings.window - 2]) for ids in chosen if len(ids)]


def main() -> None:
    arguments = of_model(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as work:
        texts, _ = topics.split(topics.read_all(unpack(arguments.data, Path(work))))
    windows = openings(Encoder.load(arguments.model), [text.text for text in texts])
    graph = arguments.model / "model.onnx"

    def print_highest(when: str) -> None:
        highest = (f"{inputs.max():.1f}" for inputs in inputs_of(graph, windows).values())
        print(f"highest input of a hidden unit, a layer, {when}: {' '.join(highest)}")

    print_highest("before")
    for switch in spread(graph, windows):
        print(f"  {switch}")
    print_highest("after")
    write_checksums(arguments.model)


if __name__ == "__main__":
    main()
