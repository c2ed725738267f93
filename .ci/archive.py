"""Packs the program of a wheel into an archive for those without Python, so that both hold the same bytes.

`archive.py WHEEL TARGET FOLDER` writes FOLDER/elbo-VERSION-TARGET.zip for Windows, .tar.gz for others: a folder with the
program, README.md and the licences. Needs Python 3.8, and nothing beside it.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]


def program(wheel):
    """(version, name of the program, its bytes)."""
    with zipfile.ZipFile(wheel) as files:
        found = [name for name in files.namelist() if ".data/scripts/" in name]
        if len(found) != 1:
            sys.exit(f"error: {wheel}: expected one program, found {found}")
        return Path(wheel).name.split("-")[1], Path(found[0]).name, files.read(found[0])


def main():
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} WHEEL TARGET FOLDER")
    wheel, target, folder = sys.argv[1:]
    version, name, code = program(wheel)
    stem = f"elbo-{version}-{target}"
    entries = [(name, code, 0o755)] + [(beside, (ROOT / beside).read_bytes(), 0o644) for beside in BESIDE]
    Path(folder).mkdir(parents=True, exist_ok=True)
    if "windows" in target:
        path = Path(folder) / f"{stem}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content, _ in entries:
                archive.writestr(f"{stem}/{entry}", content)
    else:
        path = Path(folder) / f"{stem}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for entry, content, mode in entries:
                info = tarfile.TarInfo(f"{stem}/{entry}")
                info.size, info.mode = len(content), mode
                archive.addfile(info, io.BytesIO(content))
    print(path)


main()
