"""Builds the wheel: the Python package, the program, and the libtorch that it runs on.

This is a build backend (PEP 517) of the standard library alone, so that `pip install .` needs
nothing from the network: no maturin, no setuptools. The program is the one that PATHSCOPE_BIN
names, or what `cargo build --release` makes here. libtorch comes from `.libtorch` (`make libtorch`)
and lies in a folder of the package, where no other package looks for it.

Settings (`pip wheel . --config-settings NAME=VALUE`): `platform`, the platform tag of the wheel
[default: this system's]; `libtorch=no` leaves libtorch out, for a program that finds its own.
"""

import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "pathscope"
# libtorch shrinks to a third at the fastest level; slower ones gain little.
LEVEL = 1


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes the wheel and returns its name."""
    settings = config_settings or {}
    with _Wheel(Path(wheel_directory), _platform(settings)) as wheel:
        for file in sorted(PACKAGE.rglob("*")):
            if file.suffix in (".py", ".typed"):
                wheel.add(file, f"pathscope/{file.relative_to(PACKAGE)}")
        with tempfile.TemporaryDirectory() as folder:
            wheel.add(_program(Path(folder)), "pathscope/bin/pathscope", program=True)
        if settings.get("libtorch") != "no":
            for file in _libraries():
                wheel.add(file, f"pathscope/libtorch/lib/{file.name}")
    return wheel.name


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes a wheel that points to this clone and returns its name."""
    with _Wheel(Path(wheel_directory), "any") as wheel:
        wheel.write("pathscope.pth", f"{PACKAGE.parent}\n".encode())
    return wheel.name


def build_sdist(sdist_directory, config_settings=None):
    """Packs the files that git knows and returns the archive's name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    base = f"pathscope-{_version()}"
    with tarfile.open(Path(sdist_directory) / f"{base}.tar.gz", "w:gz") as archive:
        for name in listed.stdout.decode().splitlines():
            archive.add(ROOT / name, f"{base}/{name}", recursive=False)
        facts = tarfile.TarInfo(f"{base}/PKG-INFO")
        text = _metadata().encode()
        facts.size = len(text)
        archive.addfile(facts, io.BytesIO(text))
    return f"{base}.tar.gz"


class _Wheel:
    """A wheel that is being written; its list of files comes last."""

    def __init__(self, folder, platform):
        self.base = f"pathscope-{_version()}"
        self.tag = f"py3-none-{platform}"
        self.name = f"{self.base}-{self.tag}.whl"
        self.archive = zipfile.ZipFile(
            folder / self.name, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL
        )
        self.record = []

    def __enter__(self):
        return self

    def __exit__(self, fault, *_):
        if fault is None:
            info = f"{self.base}.dist-info"
            self.write(f"{info}/METADATA", _metadata().encode())
            pure = str(self.tag.endswith("-any")).lower()
            text = f"Wheel-Version: 1.0\nGenerator: pathscope\nRoot-Is-Purelib: {pure}\nTag: {self.tag}\n"
            self.write(f"{info}/WHEEL", text.encode())
            script = b"[console_scripts]\npathscope = pathscope.__main__:main\n"
            self.write(f"{info}/entry_points.txt", script)
            for licence in sorted(ROOT.glob("LICENSE-*")):
                self.add(licence, f"{info}/licenses/{licence.name}")
            lines = [*self.record, f"{info}/RECORD,,"]
            self.archive.writestr(f"{info}/RECORD", "\n".join(lines) + "\n")
        self.archive.close()

    def add(self, file, name, program=False):
        """Copies a file, piece by piece."""
        facts = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        facts.compress_type = zipfile.ZIP_DEFLATED
        facts.external_attr = (0o100755 if program else 0o100644) << 16
        digest = hashlib.sha256()
        with file.open("rb") as source, self.archive.open(facts, "w", force_zip64=True) as sink:
            while piece := source.read(1 << 20):
                digest.update(piece)
                sink.write(piece)
        self._note(name, digest, file.stat().st_size)

    def write(self, name, content):
        """Writes a small file."""
        self.archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        self._note(name, hashlib.sha256(content), len(content))

    def _note(self, name, digest, size):
        encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={encoded},{size}")


def _project():
    try:
        import tomllib
    except ImportError as fault:
        raise SystemExit(
            "building pathscope needs Python 3.11 or newer; wheels run on 3.10"
        ) from fault
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _version():
    text = (ROOT / "Cargo.toml").read_text("utf-8")
    return re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1]


def _metadata():
    project = _project()
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {_version()}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
    ]
    for extra, needs in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {each}; extra == "{extra}"' for each in needs]
    readme = (ROOT / project["readme"]).read_text("utf-8")
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", readme])


def _platform(settings):
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return settings.get("platform", here)


def _program(folder):
    """The program, without the tables that only debuggers read."""
    stated = os.environ.get("PATHSCOPE_BIN")
    built = Path(stated) if stated else ROOT / "target" / "release" / "pathscope"
    if not stated:
        if shutil.which("cargo"):
            subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        elif not built.exists():
            raise SystemExit(
                "cargo is not there to build pathscope; install Rust, or set PATHSCOPE_BIN"
            )
    smaller = folder / "pathscope"
    shutil.copy(built, smaller)
    if shutil.which("strip"):
        subprocess.run(["strip", "-S", str(smaller)], check=False)
    return smaller


def _libraries():
    """The shared libraries of libtorch: of LIBTORCH, or those that `make libtorch` fetched."""
    folder = Path(os.environ.get("LIBTORCH", ROOT / ".libtorch")) / "lib"
    found = sorted(file for file in folder.glob("*") if file.is_file() and ".so" in file.name)
    found += sorted(folder.glob("*.dylib"))
    if not found:
        raise SystemExit(f"{folder} holds no libtorch; run `make libtorch` first")
    # A text for the linker, of no use to the program.
    return [file for file in found if file.stat().st_size > 1000]
