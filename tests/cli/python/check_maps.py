"""Computes with the layers that model.safetensors lists, in every folder given, as PyTorch makes them, channels first.
Compares with the arrays beside it. Maps that linear layers make are squares here."""

import json
import math
import sys
from pathlib import Path

import numpy
import torch
from safetensors import safe_open
from torch import nn

TOLERANCE = 1e-5  # absolute below 1, relative above
MAPS = ("convolution", "transposed_convolution", "up", "group_norm")


def module(layer, parameters):
    made = eval(layer["torch"])
    own = {name: parameters[f"{layer['name']}.{name}"] for name in made.state_dict()}
    made.load_state_dict(own)
    return made.requires_grad_(False)


def channels(made):
    if isinstance(made, nn.Sequential):
        return made[1].in_channels
    return made.num_channels if isinstance(made, nn.GroupNorm) else made.in_channels


def run(layers, parameters, **values):
    for layer in layers:
        inputs = [values[name] for name in layer["inputs"]]
        if layer["layer"] == "add":
            values[layer["output"]] = sum(inputs)
            continue
        made, (x,) = module(layer, parameters), inputs
        if layer["layer"] == "linear":
            x = x.flatten(1)
        elif layer["layer"] in MAPS and x.dim() == 2:
            side = math.isqrt(x.shape[1] // channels(made))
            x = x.unflatten(1, (-1, side, side))
            values[layer["inputs"][0]] = x  # for others that read it
        values[layer["output"]] = made(x)
    return values


def main():
    worst = 0.0
    for folder in map(Path, sys.argv[1:]):
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            model = json.loads(file.metadata()["elbo"])
            parameters = {name: file.get_tensor(name) for name in file.keys()}
        array = lambda name: torch.from_numpy(numpy.load(folder / f"{name}.npy"))
        values = run(model["encoder"], parameters, images=array("images").movedim(3, 1))
        found = {head["name"]: values[head["name"]] for head in model["heads"]}
        for head in model["heads"]:
            if head["bound"]:
                found[head["name"]] = found[head["name"]].clamp(-head["bound"], head["bound"])
        found["means"] = run(model["decoder"], parameters, z=array("z"))["means"].movedim(1, 3)
        for name, values in found.items():
            wanted = array(name)
            assert values.shape == wanted.shape, f"{folder}: {name} {values.shape}"
            error = (values - wanted).abs() / (TOLERANCE * wanted.abs().clamp(min=1))
            worst = max(worst, error.max().item())
            assert (error <= 1).all(), f"{folder}: {name} is off by {error.max()} of its tolerance"
    print(f"{len(sys.argv) - 1} models, worst error {worst:.3f} of its tolerance")


main()
