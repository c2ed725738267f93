"""Runs encoder.onnx and decoder.onnx of every folder given, and compares with the arrays beside them."""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-5  # absolute below 1, relative above


def check(folder, part, given, expected):
    """Returns the greatest error, as a share of the tolerance."""
    path = folder / f"{part}.onnx"
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path)
    assert session.get_providers() == ["CPUExecutionProvider"], session.get_providers()
    classes = folder / "classes.npy"
    inputs = {given: numpy.load(folder / f"{given}.npy")}
    if classes.exists():
        inputs["class"] = numpy.load(classes).astype(numpy.int64)
    assert [known.name for known in session.get_inputs()] == list(inputs), f"{path}: inputs"
    assert [known.name for known in session.get_outputs()] == expected, f"{path}: outputs"
    worst = 0.0
    for rows in (len(inputs[given]), 1, 0):
        found = session.run(None, {name: values[:rows] for name, values in inputs.items()})
        for name, values in zip(expected, found, strict=True):
            wanted = numpy.load(folder / f"{name}.npy")[:rows]
            assert values.dtype == numpy.float32 and values.shape == wanted.shape, f"{path}: {name} {values.shape}"
            error = numpy.abs(values - wanted) / (TOLERANCE * numpy.maximum(1, numpy.abs(wanted)))
            worst = max(worst, error.max(initial=0.0))
            assert (error <= 1).all(), f"{path}: {name} is off by {error.max()} of its tolerance"
    return worst


def main():
    folders = [Path(name) for name in sys.argv[1:]]
    worst = 0.0
    for folder in folders:
        heads = ["code"] if (folder / "code.npy").exists() else ["mu", "logvar"]
        worst = max(worst, check(folder, "encoder", "images", heads))
        worst = max(worst, check(folder, "decoder", "z", ["means"]))
    print(f"{len(folders)} models, worst error {worst:.3f} of its tolerance")


main()
