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
    # What only some cases have; left out of the metadata of the others.
    epoch: int = 0  # > 0: steps of an epoch, whose last one has `last` rows
    last: int = 0
    schedule: tuple = ()  # (learning rate, share of beta) of each step
    free_bits: float = 0.0  # > 0: nats of each latent dimension's mean KL that are free
    precision: str = "f32"  # f16: operands of the matrix products are rounded
    image: tuple = ()  # height, width and channels, of models whose layers are these texts
    encoder: str = ""
    decoder: str = ""
    sigma_optimal: bool = False  # sigma of a step: the root mean squared error of its batch
    objective: str = ""  # iwae, beta-tc, mmd, wae; elbo of a vae and reconstruction of an ae need no name
    importance: int = 1  # samples of the code of an image
    gradient: str = ""  # dreg: that of the encoder is doubly reparameterised
    mmd_weight: float = 1.0
    capacity: float = -1.0  # nats at which the KL is held, times the schedule's share

    def rows(self, step):
        """Rows of a step's batch."""
        short = self.epoch > 0 and (step + 1) % self.epoch == 0
        return self.last if short else self.batch


OPTIONAL = {"epoch", "last", "schedule", "free_bits", "precision", "image", "encoder", "decoder",
            "sigma_optimal", "objective", "importance", "gradient", "mmd_weight", "capacity"}


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
    # The norm of the short batch is that of its own mean.
    Case("vae-bernoulli-short-batch", 11, "vae", "tanh", "bernoulli", epoch=5, last=2, grad_clip=0.5),
    Case("vae-gaussian-kl-schedule", 12, "vae", "tanh", "gaussian", sigma=0.5, beta=2.0, schedule=(
        (0.01, 0.0), (0.01, 0.0), (0.0078125, 0.25), (0.0078125, 0.5), (0.005, 0.75),
        (0.005, 1.0), (0.005, 1.0), (0.0025, 0.0), (0.0025, 0.5), (0.0, 1.0))),
    Case("vae-bernoulli-free-bits", 13, "vae", "tanh", "bernoulli", latent=4, free_bits=0.03125),
    Case("vae-bernoulli-f16", 179, "vae", "tanh", "bernoulli", values=9, hidden=(5,), latent=2,
         batch=3, steps=3, precision="f16"),
    # Small networks of the kind that images of 28x28 and photographs have.
    Case("vae-bernoulli-conv", 14, "vae", "tanh", "bernoulli", values=64, hidden=(), image=(8, 8, 1),
         encoder="conv 3 k4 /2, conv 4 k4 /2, linear 6",
         decoder="linear 6, linear 2x2x4, deconv 3 k4 *2, deconv 1 k4 *2"),
    Case("vae-gaussian-conv-residual", 15, "vae", "silu", "gaussian", values=70, hidden=(), image=(5, 7, 2),
         sigma=0.5, encoder="conv 4 k3 /2, residual(conv 3 k3, conv 4 k1)",
         decoder="linear 3x4x4, residual(conv 5 k3, conv 4 k3), deconv 2 k3 *2 to 5x7"),
    # Norms behind the layers of a chain, and residual blocks that begin with a norm, with maps that are doubled.
    Case("vae-gaussian-norm", 16, "vae", "leaky-relu", "gaussian", values=192, hidden=(), image=(8, 8, 3),
         sigma_optimal=True, encoder="conv 4 k3 /2, norm 2, conv 6 k3 /2, norm 3",
         decoder="linear 2x2x6, deconv 4 k3 *2, norm 2, deconv 4 k3 *2, norm 1, conv 3 k3"),
    Case("vae-gaussian-norm-residual", 17, "vae", "silu", "gaussian", values=72, hidden=(), image=(6, 4, 3),
         sigma=0.5, encoder="conv 4 k3, residual(norm 2, conv 4 k3, norm 1, conv 4 k3), conv 6 k3 /2, norm 2",
         decoder="linear 3x2x6, residual(norm 3, conv 4 k3, norm 2, conv 6 k3), up 4, norm 2, conv 3 k3"),
    # Its sigma does not decay, and is no part of the norm.
    Case("vae-gaussian-optimal-tanh", 14, "vae", "tanh", "gaussian", values=13, latent=2, weight_decay=0.1,
         grad_clip=1.0, sigma_optimal=True),
    Case("vae-iwae-bernoulli", 18, "vae", "tanh", "bernoulli", hidden=(9, 6), objective="iwae", importance=5),
    Case("vae-iwae-dreg-learned", 19, "vae", "silu", "gaussian", values=13, latent=2, sigma=0.7,
         sigma_learned=True, objective="iwae", importance=4, gradient="dreg"),
    Case("vae-iwae-conv", 20, "vae", "tanh", "bernoulli", values=64, hidden=(), image=(8, 8, 1), objective="iwae",
         importance=3, encoder="conv 3 k4 /2, linear 6", decoder="linear 6, linear 4x4x3, deconv 1 k4 *2"),
    Case("vae-beta-tc", 21, "vae", "tanh", "bernoulli", batch=7, objective="beta-tc", beta=6.0),
    Case("vae-beta-tc-short-batch", 22, "vae", "tanh", "gaussian", sigma=0.5, batch=6, objective="beta-tc", beta=0.5,
         epoch=5, last=2),
    Case("vae-mmd", 23, "vae", "tanh", "gaussian", values=13, latent=2, sigma=0.7, sigma_learned=True, batch=6,
         objective="mmd", beta=0.25, mmd_weight=20.0),
    Case("vae-capacity", 24, "vae", "tanh", "bernoulli", beta=8.0, capacity=4.0, schedule=(
        (0.01, 0.0), (0.01, 0.0078125), (0.01, 0.015625), (0.01, 0.03125), (0.01, 0.0625),
        (0.01, 0.125), (0.01, 0.25), (0.01, 0.5), (0.01, 0.75), (0.01, 1.0))),
]


class Residual(torch.nn.Sequential):
    """x + f(x)"""

    def forward(self, x):
        return x + super().forward(x)


def split(text):
    """The layers of a text, at the commas that are in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def activation(case):
    kinds = {"tanh": torch.nn.Tanh, "silu": torch.nn.SiLU, "leaky-relu": torch.nn.LeakyReLU}
    return kinds[case.activation]()


def modules(case, text, sizes, plain):
    """The modules of a text and the sizes of what they give, [channels, height, width] of a map; with `plain` without
    an activation behind the last one."""
    nn, found, layers = torch.nn, [], split(text)
    for i, layer in enumerate(layers):
        word = layer.split("(")[0].split()[0]
        if word == "residual":
            inner, _ = modules(case, layer[len("residual("):-1], sizes, True)
            found.append(Residual(*inner))
            continue
        words = layer.split()
        number = {w[0]: int(w[1:]) for w in words[2:] if w[0] in "k/*"}
        kernel, stride = number.get("k", 3), number.get("/", number.get("*", 1))
        pad = (kernel - 1) // 2
        if word == "linear":
            if len(sizes) == 3:
                found.append(nn.Flatten())
            to = [int(size) for size in words[1].split("x")]
            found.append(nn.Linear(math.prod(sizes), math.prod(to)))
            sizes = to if len(to) == 1 else [to[2], to[0], to[1]]
        elif word == "conv":
            found.append(nn.Conv2d(sizes[0], int(words[1]), kernel, stride, pad))
            sizes = [int(words[1]), *((size + 2 * pad - kernel) // stride + 1 for size in sizes[1:])]
        elif word == "deconv":
            to = [int(size) for size in words[-1].split("x")] if "to" in words else [stride * size for size in sizes[1:]]
            added = [t - (stride * (size - 1) + kernel - 2 * pad) for t, size in zip(to, sizes[1:])]
            found.append(nn.ConvTranspose2d(sizes[0], int(words[1]), kernel, stride, pad, added))
            sizes = [int(words[1]), *to]
        elif word == "up":
            found.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(sizes[0], int(words[1]), 3, 1, 1)))
            sizes = [int(words[1]), *(2 * size for size in sizes[1:])]
        elif word == "norm":
            found.append(nn.GroupNorm(int(words[1]), sizes[0]))
        follows = layers[i + 1].split()[0] if i + 1 < len(layers) else ""
        if follows != "norm" and not (plain and not follows):
            found.append(activation(case))
        if word == "linear" and len(sizes) == 3:
            found.append(nn.Unflatten(1, sizes))
    return found, sizes


class Maps(torch.nn.Module):
    """A VAE whose layers are texts; images come with their channels last, as values."""

    def __init__(self, case):
        super().__init__()
        self.image, self.case = case.image, case
        height, width, channels = case.image
        encoder, sizes = modules(case, case.encoder, [channels, height, width], False)
        self.encoder = torch.nn.Sequential(*encoder)
        self.mu = torch.nn.Linear(math.prod(sizes), case.latent)
        self.logvar = torch.nn.Linear(math.prod(sizes), case.latent)
        decoder, sizes = modules(case, case.decoder, [case.latent], True)
        assert sizes == [channels, height, width], (case.name, sizes)
        self.decoder = torch.nn.Sequential(*decoder)

    def forward(self, x, eps):
        images = x.reshape(-1, *self.image).permute(0, 3, 1, 2)
        a = self.encoder(images).flatten(1)
        mu, logvar = self.mu(a), self.logvar(a).clamp(-30, 30)
        z = codes(self.case, mu, logvar, eps)
        means = self.decoder(z.flatten(0, -2)).permute(0, 2, 3, 1)
        return mu, logvar, z, means.reshape(*z.shape[:-1], -1)


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
    if case.encoder:
        params = {name: value.detach().clone() for name, value in Maps(case).named_parameters()}
    layers = {} if case.encoder else layer_sizes(case)
    for name, (inputs, outputs) in layers.items():
        layer = torch.nn.Linear(inputs, outputs)
        params[f"{name}.weight"] = layer.weight.detach().clone()
        params[f"{name}.bias"] = layer.bias.detach().clone()
    if case.sigma_learned or case.sigma_optimal:
        params["log_sigma"] = torch.tensor([math.log(case.sigma)])
    return params


def draw_inputs(case):
    """x_u8 [steps, batch, values], x = x_u8/255 in float32, eps [steps, batch, latent]."""
    rng = torch.Generator().manual_seed(1000 + case.seed)
    shape = (case.steps, case.batch, case.values)
    # About a quarter black and a quarter white, as both ends matter to the likelihoods.
    x_u8 = torch.randint(-128, 384, shape, generator=rng).clamp(0, 255).to(torch.uint8)
    x = torch.from_numpy(x_u8.numpy().astype(np.float32) / np.float32(255))
    samples = [case.importance] if case.objective == "iwae" else []
    eps = torch.randn((case.steps, case.batch, *samples, case.latent), generator=rng)
    return x_u8, x, eps


def half(values):
    """Rounded to f16. NumPy rounds once, where torch goes by float32."""
    return torch.from_numpy(values.detach().numpy().astype(np.float16)).to(values.dtype)


def tie_distance(values):
    """How far the nearest value is from a tie between two f16, relative to its size."""
    values = values.detach().numpy().astype(np.float64).ravel()
    values = values[values != 0]
    down = np.nextafter(values.astype(np.float16), np.float16(-np.inf)).astype(np.float64)
    up = np.nextafter(values.astype(np.float16), np.float16(np.inf)).astype(np.float64)
    near = values.astype(np.float16).astype(np.float64)
    ties = np.minimum(abs((down + near) / 2 - values), abs((up + near) / 2 - values))
    return (ties / abs(values)).min(initial=1.0)


class HalfLinear(torch.autograd.Function):
    """A linear layer whose three products, and the sum of the bias's gradient, see operands in f16."""

    # The least distance from a tie of what was rounded so far.
    margin = 1.0

    @staticmethod
    def rounded(values):
        HalfLinear.margin = min(HalfLinear.margin, tie_distance(values))
        return half(values)

    @staticmethod
    def forward(ctx, a, weight, bias):
        a, weight = HalfLinear.rounded(a), HalfLinear.rounded(weight)
        ctx.save_for_backward(a, weight)
        return a @ weight.T + bias

    @staticmethod
    def backward(ctx, gradient):
        a, weight = ctx.saved_tensors
        gradient = HalfLinear.rounded(gradient)
        return gradient @ weight, gradient.T @ a, gradient.sum(0)


def codes(case, mu, logvar, eps):
    """Codes [rows, latent], or [rows, samples, latent]."""
    if case.objective == "iwae":
        mu, logvar = mu.unsqueeze(1), logvar.unsqueeze(1)
    return mu + (logvar / 2).exp() * eps


def passed(case, params, x, eps):
    """mu, logvar, the codes and what the decoder makes of them; mu and logvar are None of an autoencoder."""
    def linear(name, a):
        layer = HalfLinear.apply if case.precision == "f16" else F.linear
        return layer(a, params[f"{name}.weight"], params[f"{name}.bias"])

    if case.encoder:
        return torch.func.functional_call(Maps(case), params, (x, eps))
    act = ACTIVATIONS[case.activation]
    depth = len(case.hidden)
    a = x
    for i in range(depth):
        a = act(linear(f"fc{i + 1}", a))
    head = f"fc{depth + 1}"
    mu = logvar = None
    if case.kind == "vae":
        mu = linear(head + "1", a)
        logvar = linear(head + "2", a).clamp(-30, 30)
        z = codes(case, mu, logvar, eps)
    else:
        z = linear(head, a)
    a = z
    for i in range(depth):
        a = act(linear(f"fc{depth + 2 + i}", a))
    return mu, logvar, z, linear(f"fc{2 * depth + 2}", a)


def losses(case, params, x, eps, share):
    """The terms of the objective (not yet times beta), summed over the batch, and what is learned from, in which the
    KL has a share of beta."""
    mu, logvar, z, out = passed(case, params, x, eps)
    if case.objective == "iwae":
        return importance_weighted(case, params, x, mu, logvar, z, out)
    reconstruction = reconstruction_losses(case, params, x, out).sum()
    if case.kind == "ae":
        none = x.new_zeros(())
        return [reconstruction, none], reconstruction
    if case.objective == "beta-tc":
        parts = parts_of_kl(mu, logvar, z, case.steps * case.batch)
        return [reconstruction, *parts], reconstruction + parts[0] + case.beta * parts[1] + parts[2]
    terms = logvar.exp() + mu.square() - 1 - logvar
    kl = learned = 0.5 * terms.sum()
    if case.capacity >= 0:
        learned = len(x) * F.huber_loss(kl / len(x), kl.new_tensor(case.capacity * share))
        return [reconstruction, kl], reconstruction + case.beta * learned
    if case.objective == "mmd":
        mmd = discrepancy(z, eps)
        return [reconstruction, kl, mmd], reconstruction + case.beta * kl + case.mmd_weight * mmd
    if case.free_bits > 0:
        learned = (0.5 * terms.sum(0)).clamp(min=case.free_bits * len(x)).sum()
    return [reconstruction, kl], reconstruction + case.beta * share * learned


def importance_weighted(case, params, x, mu, logvar, z, out):
    """The importance-weighted bound in its three terms; the gradient by autograd, or the doubly reparameterised one as
    its authors compute it: constants for q's parameters, weights for constants, and once more on the way to z."""
    reconstruction = reconstruction_losses(case, params, x.unsqueeze(1), out).sum(-1)
    if case.gradient == "dreg":
        mu, logvar = mu.detach(), logvar.detach()
    mu, logvar = mu.unsqueeze(1), logvar.unsqueeze(1)
    log_q = -0.5 * ((z - mu).square() / logvar.exp() + logvar).sum(-1)
    divergence = log_q + 0.5 * z.square().sum(-1)
    log_w = -reconstruction - divergence
    bound = log_w.logsumexp(1) - math.log(case.importance)
    learned = -bound.sum()
    if case.gradient == "dreg":
        weights = log_w.softmax(1).detach()
        z.register_hook(lambda gradient: weights.unsqueeze(-1) * gradient)
        learned = -(weights * log_w).sum()
    means = [reconstruction.mean(1).sum(), divergence.mean(1).sum()]
    return [*means, -bound.sum() - sum(means)], learned


def parts_of_kl(mu, logvar, z, images):
    """Mutual information, total correlation and dimension-wise KL by minibatch-stratified sampling."""
    rows = len(z)
    others = rows - 1
    share = torch.full((rows, rows), 1 / others, dtype=z.dtype)
    for row in range(rows):
        share[row, row] = 1 / images
        share[row, (row + 1) % rows] = (images - others) / (images * others)
    share = share.log()
    # [code, head, latent dimension]
    pairs = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z.unsqueeze(1))
    of_code = pairs.diagonal().sum()
    joint = (share + pairs.sum(2)).logsumexp(1).sum()
    product = (share.unsqueeze(2) + pairs).logsumexp(1).sum()
    prior = torch.distributions.Normal(torch.zeros_like(z), 1).log_prob(z).sum()
    return [of_code - joint, joint - product, product - prior]


def discrepancy(z, draws):
    """Rows times the squared maximum mean discrepancy, of pairs of different rows."""
    def kernel(a, b):
        square = (a.unsqueeze(1) - b).square().sum(2)
        widths = [2 * a.shape[1] * scale for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
        return sum(width / (width + square) for width in widths)

    others = 1 - torch.eye(len(z), dtype=z.dtype)
    both = kernel(z, z) + kernel(draws, draws) - 2 * kernel(z, draws)
    return (both * others).sum() / (len(z) - 1)


def reconstruction_losses(case, params, x, out):
    """Of each value, in nats."""
    if case.likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(out, x.expand_as(out), reduction="none")
    if case.likelihood == "squared-error":
        return (x - torch.sigmoid(out)).square()
    if case.likelihood == "linear-squared-error":
        return (x - out).square()
    log_sigma = params.get("log_sigma", x.new_tensor([math.log(case.sigma)]))
    if case.sigma_optimal:
        log_sigma = (x - out).square().mean().detach().log() / 2
    scaled = (x - out) / log_sigma.exp()
    return 0.5 * scaled.square() + log_sigma + 0.5 * math.log(2 * math.pi)


def train(case, initial, x, eps, dtype):
    """Runs the steps in `dtype`; returns losses [steps, terms] and {grad/*, param1/*, param10/*}."""
    params = {k: v.to(dtype, copy=True).requires_grad_() for k, v in initial.items()}
    x, eps = x.to(dtype), eps.to(dtype)
    rule = torch.optim.AdamW if case.weight_decay > 0 else torch.optim.Adam
    learning = [p for k, p in params.items() if k != "log_sigma" or case.sigma_learned]
    optimizer = rule(learning, lr=case.lr, eps=1e-8, weight_decay=case.weight_decay)
    record, variances, kept = [], [], {}
    for step in range(case.steps):
        optimizer.zero_grad()
        rows = case.rows(step)
        rate, share = case.schedule[step] if case.schedule else (case.lr, 1.0)
        optimizer.param_groups[0]["lr"] = rate
        terms, learned = losses(case, params, x[step, :rows], eps[step, :rows], share)
        learned.backward()
        record.append(torch.stack(terms).detach())
        if step == 0:
            grads = {k: torch.zeros_like(p) if p.grad is None else p.grad.clone() for k, p in params.items()}
            kept.update({f"grad/{k}": grad for k, grad in grads.items()})
        if case.grad_clip > 0:
            # By hand: torch's clip_grad_norm_ adds 1e-6 to the denominator.
            norm = torch.cat([p.grad.flatten() for p in learning]).norm()
            scale = (case.grad_clip / (norm / rows)).clamp(max=1)
            for p in learning:
                p.grad *= scale
        optimizer.step()
        if case.sigma_optimal:
            # The loss of a value is (1 + ln 2 pi sigma^2) / 2. The steps are an epoch of equal batches.
            loss = terms[0].detach() / x[step, :rows].numel()
            variances.append((2 * loss - 1).exp() / (2 * math.pi))
            params["log_sigma"] = torch.stack(variances).mean().log().reshape(1) / 2
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
    HalfLinear.margin = 1.0
    tensors["loss"], kept = train(case, initial, x, eps, torch.float64)
    # Single precision has to round alike.
    assert HalfLinear.margin > 16 * np.finfo(np.float32).eps, (case.name, HalfLinear.margin)
    tensors["loss32"], _ = train(case, initial, x, eps, torch.float32)
    versions = {"python": platform.python_version(), "torch": torch.__version__,
                "numpy": np.__version__, "safetensors": safetensors.__version__}
    settings = {f.name: getattr(case, f.name) for f in dataclasses.fields(case)
                if f.name not in OPTIONAL or getattr(case, f.name) != f.default}
    text = json.dumps({"versions": versions} | settings)
    path = folder / f"{case.name}.safetensors"
    safetensors.torch.save_file(tensors | kept, path, metadata={"case": text})
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the files")
    parser.add_argument("cases", nargs="*", help="names of those to write [default: all]")
    args = parser.parse_args()
    folder = args.out
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for case in (case for case in CASES if not args.cases or case.name in args.cases):
        path = write(case, folder)
        print(f"{path} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
