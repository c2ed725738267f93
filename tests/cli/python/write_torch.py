"""Writes parameters as PyTorch has them into theirs.safetensors, in 16 bits, or compares a run's model with them."""

import sys

import torch
from safetensors.torch import load_file, save_file

layers = {"fc1": (64, 16), "fc21": (16, 3), "fc22": (16, 3), "fc3": (3, 16), "fc4": (16, 64)}
torch.manual_seed(0)
model = torch.nn.ModuleDict({name: torch.nn.Linear(*sizes) for name, sizes in layers.items()})
theirs = {name: tensor.half() for name, tensor in model.state_dict().items()}

if sys.argv[1] == "write":
    save_file(theirs, "theirs.safetensors", metadata={"format": "pt"})
else:
    ours = load_file(sys.argv[2])
    assert ours.keys() == theirs.keys(), sorted(ours)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor.float()), name
