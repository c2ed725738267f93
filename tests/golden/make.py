#!/usr/bin/env python3
"""Writes the golden files: ten optimiser steps of small models, computed by PyTorch in float64.

    python -m venv venv
    venv/bin/pip install torch numpy safetensors
    venv/bin/python tests/golden/make.py --out tests/golden

README.md lists the tensors. The versions used are in each file, under the metadata key `case`.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import platform

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "relu": F.relu,
    "leaky-relu": lambda a: F.leaky_relu(a, negative_slope=0.01),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": lambda a: F.gelu(a, approximate="tanh"),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One model and its settings. `beta` matters to a VAE only, `sigma` to gaussian only."""

    name: str
    seed: int
    kind: str  # vae | ae
    activation: str
    likelihood: str  # bernoulli | gaussian | squared-error (of a sigmoid) | linear-squared-error
    values: int = 15
    hidden: tuple = (7,)
    latent: int = 3
    batch: int = 5
    steps: int = 10
    sigma: float = 1.0
    sigma_learned: bool = False
    beta: float = 1.0
    lr: float = 1e-2
    weight_decay: float = 0.0  # > 0: AdamW, on every parameter, biases too
    grad_clip: float = 0.0  # > 0: bound on the norm of the gradient of the mean loss


# Fixed sigmas are exact in float32.
CASES = [
    Case("vae-bernoulli-relu", 1, "vae", "relu", "bernoulli"),
    Case("vae-bernoulli-tanh-deep", 2, "vae", "tanh", "bernoulli", hidden=(9, 6)),
    Case("vae-gaussian-relu", 38, "vae", "relu", "gaussian", values=17, latent=1, sigma=0.5),
    Case("vae-gaussian-learned-silu", 4, "vae", "silu", "gaussian", values=13, latent=2,
         sigma=0.7, sigma_learned=True),
    Case("vae-bernoulli-beta-leaky-relu", 5, "vae", "leaky-relu", "bernoulli", hidden=(11,),
         batch=7, beta=0.25, weight_decay=0.1, grad_clip=1.0),
    Case("ae-squared-error-relu", 15, "ae", "relu", "linear-squared-error"),
    Case("ae-squared-error-sigmoid", 16, "ae", "relu", "squared-error"),
    Case("ae-squared-error-tanh-deep", 7, "ae", "tanh", "linear-squared-error", values=19,
         hidden=(11, 9, 5), batch=3),
    Case("ae-bernoulli-sigmoid", 8, "ae", "sigmoid", "bernoulli", batch=1),
    Case("ae-gaussian-gelu", 9, "ae", "gelu", "gaussian", sigma=0.75),
    Case("vae-bernoulli-relu-vec4", 10, "vae", "relu", "bernoulli", values=16, hidden=(8,),
         latent=4, batch=8),
]


def layer_sizes(case):
    """The layers as {name: (inputs, outputs)}, in order from the image to its reconstruction."""
    widths = [case.values, *case.hidden]
    depth = len(case.hidden)
    sizes = {f"fc{i + 1}": (widths[i], widths[i + 1]) for i in range(depth)}
    head = f"fc{depth + 1}"
    for name in [head + "1", head + "2"] if case.kind == "vae" else [head]:
        sizes[name] = (widths[-1], case.latent)
    mirrored = [case.latent, *reversed(widths)]
    for i in range(depth + 1):
        sizes[f"fc{depth + 2 + i}"] = (mirrored[i], mirrored[i + 1])
    return sizes


def initial_parameters(case):
    """PyTorch's default Linear initialisation, float32: weights [outputs, inputs]."""
    torch.manual_seed(case.seed)
    params = {}
    for name, (inputs, outputs) in layer_sizes(case).items():
        layer = torch.nn.Linear(inputs, outputs)
        params[f"{name}.weight"] = layer.weight.detach().clone()
        params[f"{name}.bias"] = layer.bias.detach().clone()
    if case.sigma_learned:
        params["log_sigma"] = torch.tensor([math.log(case.sigma)])
    return params


def draw_inputs(case):
    """x_u8 [steps, batch, values], x = x_u8/255 in float32, eps [steps, batch, latent]."""
    rng = torch.Generator().manual_seed(1000 + case.seed)
    shape = (case.steps, case.batch, case.values)
    # About a quarter black and a quarter white, as both ends matter to the likelihoods.
    x_u8 = torch.randint(-128, 384, shape, generator=rng).clamp(0, 255).to(torch.uint8)
    x = torch.from_numpy(x_u8.numpy().astype(np.float32) / np.float32(255))
    eps = torch.randn((case.steps, case.batch, case.latent), generator=rng)
    return x_u8, x, eps


def losses(case, params, x, eps):
    """Reconstruction and KL (not yet times beta), both in nats and summed over the batch."""
    def linear(name, a):
        return F.linear(a, params[f"{name}.weight"], params[f"{name}.bias"])

    act = ACTIVATIONS[case.activation]
    depth = len(case.hidden)
    a = x
    for i in range(depth):
        a = act(linear(f"fc{i + 1}", a))
    head = f"fc{depth + 1}"
    if case.kind == "vae":
        mu = linear(head + "1", a)
        logvar = linear(head + "2", a).clamp(-30, 30)
        kl = 0.5 * (logvar.exp() + mu.square() - 1 - logvar).sum()
        a = mu + (logvar / 2).exp() * eps
    else:
        kl = x.new_zeros(())
        a = linear(head, a)
    for i in range(depth):
        a = act(linear(f"fc{depth + 2 + i}", a))
    out = linear(f"fc{2 * depth + 2}", a)
    if case.likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(out, x, reduction="sum"), kl
    if case.likelihood == "squared-error":
        return (x - torch.sigmoid(out)).square().sum(), kl
    if case.likelihood == "linear-squared-error":
        return (x - out).square().sum(), kl
    log_sigma = params.get("log_sigma", x.new_tensor([math.log(case.sigma)]))
    scaled = (x - out) / log_sigma.exp()
    return (0.5 * scaled.square() + log_sigma + 0.5 * math.log(2 * math.pi)).sum(), kl


def train(case, initial, x, eps, dtype):
    """Runs the steps in `dtype`; returns losses [steps, 2] and {grad/*, param1/*, param10/*}."""
    params = {k: v.to(dtype, copy=True).requires_grad_() for k, v in initial.items()}
    x, eps = x.to(dtype), eps.to(dtype)
    rule = torch.optim.AdamW if case.weight_decay > 0 else torch.optim.Adam
    optimizer = rule(params.values(), lr=case.lr, eps=1e-8, weight_decay=case.weight_decay)
    record, kept = [], {}
    for step in range(case.steps):
        optimizer.zero_grad()
        reconstruction, kl = losses(case, params, x[step], eps[step])
        (reconstruction + case.beta * kl).backward()
        record.append(torch.stack([reconstruction, kl]).detach())
        if step == 0:
            kept.update({f"grad/{k}": p.grad.clone() for k, p in params.items()})
        if case.grad_clip > 0:
            # By hand: torch's clip_grad_norm_ adds 1e-6 to the denominator.
            norm = torch.cat([p.grad.flatten() for p in params.values()]).norm()
            scale = (case.grad_clip / (norm / case.batch)).clamp(max=1)
            for p in params.values():
                p.grad *= scale
        optimizer.step()
        if step + 1 in (1, case.steps):
            kept.update({f"param{step + 1}/{k}": p.detach().clone() for k, p in params.items()})
    return torch.stack(record), kept


def write(case, folder):
    """Computes one case and writes its file; returns the path."""
    initial = initial_parameters(case)
    x_u8, x, eps = draw_inputs(case)
    tensors = {f"init/{k}": v for k, v in initial.items()} | {"x_u8": x_u8, "x": x}
    if case.kind == "vae":
        tensors["eps"] = eps
    tensors["loss"], kept = train(case, initial, x, eps, torch.float64)
    tensors["loss32"], _ = train(case, initial, x, eps, torch.float32)
    versions = {"python": platform.python_version(), "torch": torch.__version__,
                "numpy": np.__version__, "safetensors": safetensors.__version__}
    text = json.dumps({"versions": versions} | dataclasses.asdict(case))
    path = folder / f"{case.name}.safetensors"
    safetensors.torch.save_file(tensors | kept, path, metadata={"case": text})
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the files")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for case in CASES:
        path = write(case, folder)
        print(f"{path} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
