"""Computes with the model.py of every folder given, and compares with the arrays beside it.

Images are images.npy, or stored.npy as the data of a run have them. Means are means.npy, or decoded.npy in the units of the
data."""

import importlib.util
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-5  # absolute below 1 in the model's units, relative above


def imported(path):
    spec = importlib.util.spec_from_file_location("model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def turned(tensor, to, source):
    return tensor.movedim(source, to) if tensor.dim() == 4 else tensor


def computed(model, array, has):
    """What the model makes of the arrays of a folder, by the names of those that it has to equal, and what it
    takes."""
    if has("stored"):
        images = model.scaled(turned(array("stored"), to=1, source=-1))
    else:
        images = turned(array("images"), to=1, source=-1)
    classes = [array("classes").long()] if has("classes") else []
    with torch.no_grad():
        encoded = model.encode(images, *classes)
        last = lambda codes: turned(codes, to=-1, source=1)
        encoded = (last(encoded),) if has("code") else map(last, encoded)
        found = dict(zip(("code",) if has("code") else ("mu", "logvar"), encoded, strict=True))
        means = model.decode(turned(array("z"), to=1, source=-1), *classes)
        if has("decoded"):
            found["decoded"] = turned(model.unscaled(means), to=-1, source=1)
        else:
            found["means"] = turned(means, to=-1, source=1)
    return found, (images, *classes)


def check_learning(model, inputs):
    """That all parameters get a gradient."""
    given = model.train()(*inputs)
    (given if isinstance(given, torch.Tensor) else given[0]).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert name == "log_sigma" or parameter.grad is not None, name


def main():
    worst = 0.0
    for folder in map(Path, sys.argv[1:]):
        array = lambda name: torch.from_numpy(numpy.load(folder / f"{name}.npy"))
        has = lambda name: (folder / f"{name}.npy").exists()
        model = imported(folder / "model.py").load()
        assert model.state_dict().keys() == load_file(folder / "model.safetensors").keys(), f"{folder}: names"
        save_file(model.state_dict(), folder / "back.safetensors")
        found, inputs = computed(model, array, has)
        for name, values in found.items():
            wanted = array(name)
            assert values.shape == wanted.shape, f"{folder}: {name} {values.shape}"
            unit = 1.0
            if name == "decoded":
                one, zero = (model.unscaled(torch.full_like(inputs[0], value)) for value in (1.0, 0.0))
                unit = (one - zero).abs().max().item()
            error = (values - wanted).abs() / (TOLERANCE * wanted.abs().clamp(min=unit))
            worst = max(worst, error.max().item())
            assert (error <= 1).all(), f"{folder}: {name} is off by {error.max()} of its tolerance"
        check_learning(model, inputs)
    print(f"{len(sys.argv) - 1} models, worst error {worst:.3f} of its tolerance")


main()
