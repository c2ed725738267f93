"""Checks a wheel as a user meets it: installed into a fresh environment, without an index and without dependencies, its
program says its version and trains.

Needs Python 3.11, and nothing beside it.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command, **more):
    print("+", *command, flush=True)
    return subprocess.run(command, check=True, **more)


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} WHEEL")
    wheel = Path(sys.argv[1]).resolve()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]
    # The program itself closes its files before it ends, but a scanner may hold one open on Windows.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        folder = Path(folder)
        venv.create(folder / "fresh", with_pip=True)
        scripts, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
        scripts = folder / "fresh" / scripts
        run(scripts / f"python{suffix}", "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel)
        elbo = scripts / f"elbo{suffix}"
        said = run(elbo, "--version", stdout=subprocess.PIPE, text=True).stdout.split()
        if said != ["elbo", version]:
            sys.exit(f"error: {wheel.name} says {said}, Cargo.toml says {version}")
        run(elbo, "train", "--epochs", "1", "--device", "cpu", "--out", "run", cwd=folder)
        run(sys.executable, ROOT / ".ci/check_run.py", folder / "run", "--epochs", "1")
    print(f"{wheel.name}: installs and trains")


main()
