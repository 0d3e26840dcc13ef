"""The wheel is built without the network, and used without the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import task_thread
from tests.project.places import PACKAGE, REPOSITORY, fenced, read

pytest.importorskip("hatchling", reason="the build backend isn't installed")

BUILD = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"

USE = """
import asyncio, pathlib, sys, task_thread
from task_thread import VirtualThread
assert pathlib.Path(task_thread.__file__).is_relative_to(sys.argv[1]), task_thread.__file__

class Thread(VirtualThread):
    async def enter__(self):
        await self.stop()

asyncio.run(Thread().run())
print("ended")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / done.stdout.split()[-1]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    source = {
        str(path.relative_to(REPOSITORY))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(names) == source
    assert "task_thread/py.typed" in names


def test_core_needs_janus_and_structlog_only(wheel: Path) -> None:
    told = metadata(wheel)
    needed = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in needed) == ["janus", "structlog"]
    assert told["Name"] == "task-thread"
    assert told["Version"] == task_thread.__version__
    assert told["License-Expression"] == "MIT"


def test_wheel_works_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(site)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ended\n"


def test_types_of_the_wheel_are_found(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy isn't installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = tmp_path / "hello.py"
    program.write_text(f"{fenced(read('README.md'), 'python')[0]}\nreveal_type(run)\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--cache-dir",
            os.devnull,
            "--check-untyped-defs",
            "--follow-imports=silent",
            "hello.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TaskThread) -> int" in done.stdout.replace("builtins.", "")
