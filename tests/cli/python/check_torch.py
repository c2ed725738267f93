"""Runs a program of docs/python.md in every folder given: it reads model.safetensors there and defines `encode` and
`decode`. Compares them with the arrays beside it."""

import os
import sys
from pathlib import Path

import numpy
import torch

TOLERANCE = 1e-5  # absolute below 1, relative above


def main():
    program = Path(sys.argv[1]).read_text()
    worst = 0.0
    for folder in sys.argv[2:]:
        os.chdir(folder)
        defined = {}
        exec(program, defined)
        array = lambda name: torch.from_numpy(numpy.load(f"{name}.npy"))
        with torch.no_grad():
            found = defined["encode"](array("images"))
            found["means"] = defined["decode"](array("z"))
        assert len(found) == (2 if Path("code.npy").exists() else 3), f"{folder}: {list(found)}"
        for name, values in found.items():
            wanted = array(name)
            assert values.shape == wanted.shape, f"{folder}: {name} {values.shape}"
            error = (values - wanted).abs() / (TOLERANCE * wanted.abs().clamp(min=1))
            worst = max(worst, error.max().item())
            assert (error <= 1).all(), f"{folder}: {name} is off by {error.max()} of its tolerance"
    print(f"{len(sys.argv) - 2} models, worst error {worst:.3f} of its tolerance")


main()
