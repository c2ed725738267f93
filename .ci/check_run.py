"""Checks a run folder: its files are there, whole, and say what training should say.

Needs Python 3.11, and nothing beside it.
"""

import argparse
import json
import math
import struct
import sys
import tomllib
import zlib
from pathlib import Path

METRICS = {
    "epoch", "step", "train_loss", "train_reconstruction", "train_kl",
    "test_loss", "test_reconstruction", "test_kl", "learning_rate", "kl_weight",
    "active_units", "images_per_s", "seconds",
}
# Devices draw the same numbers and differ in rounding only: by 0.0015 after an epoch, CPU and lavapipe.
LIKE_TOLERANCE = 0.1  # nats per image
# Another processor rounds otherwise, and ten epochs enlarge the difference.
README_TOLERANCE = 0.3  # nats per image
LEAST_LEVELS = 50  # different bytes of pixels; a grid without anything in it has a handful


def require(condition, message):
    if not condition:
        sys.exit(f"error: {message}")


def chunks(path, data):
    """(type, content) of every chunk of a PNG, each with its checksum verified."""
    require(data[:8] == b"\x89PNG\r\n\x1a\n", f"{path}: not a PNG")
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length:at + 12 + length])
        require(zlib.crc32(kind + content) == checksum, f"{path}: checksum of {kind}")
        yield kind, content
        at += 12 + length


def check_picture(path):
    require(path.is_file(), f"{path}: missing")
    parts = list(chunks(path, path.read_bytes()))
    require(parts[0][0] == b"IHDR" and parts[-1][0] == b"IEND", f"{path}: cut off")
    width, height, depth = struct.unpack(">IIB", parts[0][1][:9])
    require(width > 100 and height > 100 and depth == 8, f"{path}: {width}x{height}, {depth} bits")
    pixels = zlib.decompress(b"".join(content for kind, content in parts if kind == b"IDAT"))
    levels = len(set(pixels))
    require(levels >= LEAST_LEVELS, f"{path}: {levels} levels, so nothing is drawn on it")
    print(f"{path.name}: {width}x{height}, {levels} levels")


def check_weights(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    require(len(data) == 8 + length + end, f"{path}: {len(data)} bytes, header says {8 + length + end}")
    names = {f"{layer}.{part}" for layer in ("fc1", "fc21", "fc22", "fc3", "fc4") for part in ("weight", "bias")}
    require(set(header) - {"__metadata__"} == names, f"{path}: tensors {sorted(header)}")
    values = struct.unpack(f"<{end // 4}f", data[8 + length:])
    require(all(map(math.isfinite, values)), f"{path}: a value that is not finite")
    print(f"{path.name}: {len(names)} tensors, {len(values):,} values")


def read_metrics(folder):
    """The lines of finished epochs."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line.pop("kind") == "epoch"]


def check_run(folder, epochs):
    config = tomllib.loads((folder / "config.toml").read_text())
    print(f"device: {config['record']['device']}")
    lines = read_metrics(folder)
    found = [line["epoch"] for line in lines]
    require(found == list(range(1, epochs + 1)), f"{folder}: expected {epochs} epochs, metrics.jsonl has {found}")
    for line in lines:
        units = line.pop("kl_per_unit")
        require(abs(sum(units) - line["test_kl"]) < 1e-3 * line["test_kl"], f"units {units} of {line}")
        require(set(line) == METRICS, f"fields {sorted(line)}")
        require(all(map(math.isfinite, line.values())), f"not finite: {line}")
    losses = [line["test_loss"] for line in lines]
    require(epochs == 1 or losses[-1] < losses[0], f"the test loss did not fall: {losses}")
    print("test loss:", ", ".join(f"{loss:.2f}" for loss in losses), "nats per image")
    check_weights(folder / "model.safetensors")
    check_weights(folder / "best.safetensors")
    for kind in ("samples", "reconstructions"):
        for epoch in range(1, epochs + 1):
            check_picture(folder / kind / f"epoch-{epoch:04}.png")
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="run folder")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--last-test-loss", type=float, help="expected after the last epoch")
    parser.add_argument("--like", type=Path, help="run folder whose first epoch has to be alike")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    for picture in args.pictures:
        check_picture(picture)
    if args.run is None:
        return
    losses = check_run(args.run, args.epochs)
    if args.last_test_loss is not None:
        off = abs(losses[-1] - args.last_test_loss)
        require(off <= README_TOLERANCE, f"test loss {losses[-1]:.2f}, the README says {args.last_test_loss}")
    if args.like is not None:
        expected = read_metrics(args.like)[0]["test_loss"]
        off = abs(losses[0] - expected)
        print(f"first epoch: {losses[0]:.4f} here, {expected:.4f} there")
        require(off <= LIKE_TOLERANCE, f"the devices differ by {off:.4f} nats per image")


main()
