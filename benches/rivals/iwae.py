#!/usr/bin/env python3
"""The importance-weighted autoencoder of Burda et al. 2016 in PyTorch, to be run beside `elbo`.

784-200-200-50 with tanh on MNIST that is binarised anew at every use, Adam at its defaults but for the rate, batch 128:

    iwae.py --data <folder with MNIST's IDX files> --importance 5 --epochs 30 --evaluate 5000

It prints images a second for each epoch, and log p(x) of the test images by as many importance samples as are asked for.
With `--grey` the images stay as they are, with `--hidden 400 --latent 20 --activation relu` it is the reference model.
"""

import argparse
import gzip
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--importance", type=int, default=5)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--hidden", default="200,200")
parser.add_argument("--latent", type=int, default=50)
parser.add_argument("--activation", default="tanh")
parser.add_argument("--grey", action="store_true")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--evaluate", type=int, default=0, help="importance samples of a test image")
args = parser.parse_args()
torch.manual_seed(args.seed)
torch.set_num_threads(args.threads)


def images(split):
    path = args.data / f"{split}-images-idx3-ubyte"
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    values = np.frombuffer(data, np.uint8)[16:].reshape(-1, 784)
    return torch.from_numpy(values.astype(np.float32) / 255)


def chain(sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(i, o), {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[args.activation]()]
    return layers


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        hidden = [int(width) for width in args.hidden.split(",")]
        self.encoder = torch.nn.Sequential(*chain([784, *hidden]))
        self.heads = torch.nn.Linear(hidden[-1], 2 * args.latent)
        self.decoder = torch.nn.Sequential(*chain([args.latent, *hidden[::-1]]), torch.nn.Linear(hidden[0], 784))

    def log_weights(self, x, samples):
        """log p(x, z) - log q(z|x), [images, samples]."""
        mu, logvar = self.heads(self.encoder(x)).chunk(2, 1)
        eps = torch.randn(len(x), samples, args.latent)
        z = mu.unsqueeze(1) + (0.5 * logvar).exp().unsqueeze(1) * eps
        logits = self.decoder(z)
        target = x.unsqueeze(1).expand_as(logits)
        log_p = -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        return log_p + 0.5 * (eps.square() + logvar.unsqueeze(1) - z.square()).sum(-1)


train, test = images("train"), images("t10k")
seen = (lambda x: x) if args.grey else torch.bernoulli
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    start, total = time.perf_counter(), 0.0
    for rows in torch.randperm(len(train)).split(args.batch):
        log_w = model.log_weights(seen(train[rows]), args.importance)
        loss = -(log_w.logsumexp(1) - math.log(args.importance)).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item()
    speed = len(train) / (time.perf_counter() - start)
    print(f"epoch {epoch + 1}: loss {total / len(train):.3f}, {speed:.0f} images/s", flush=True)
if args.evaluate:
    generator, found = torch.Generator().manual_seed(1), []
    binary = test if args.grey else torch.bernoulli(test, generator=generator)
    with torch.no_grad():
        for x in binary.split(1):
            parts = [model.log_weights(x, n) for n in [1000] * (args.evaluate // 1000) + [args.evaluate % 1000] if n]
            found.append(torch.cat(parts, 1).logsumexp(1) - math.log(args.evaluate))
    found = torch.cat(found)
    print(f"log p(x) {found.mean():.3f} +- {found.std() / len(found) ** 0.5:.3f}, {args.evaluate} samples")
