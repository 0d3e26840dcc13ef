"""A service that makes thumbnails in a pool of processes, with a progress bar.

Run it with ``python -m examples.thumbnails``: it paints some images, makes them small, and says
what that came to. It needs Pillow and rich: ``pip install 'task-thread[demo]'``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from task_thread.app import Run, TaskApp
from task_thread.app.bars import show_progress

SIZE, SMALL = (640, 480), (96, 72)
NUMBER = 24

app = TaskApp("thumbnails", processes=2)


@app.task(executor="process", max_time=30.0)
def paint(path: str, number: int) -> None:
    """An image of its own colours."""
    width, height = SIZE
    colours = [
        ((x * number) % 256, (y * 2) % 256, (x + y) % 256)
        for y in range(height // 8)
        for x in range(width // 8)
    ]
    image: Any = Image.new("RGB", (width // 8, height // 8))
    image.putdata(colours)
    image.resize(SIZE).save(path)


@app.task(executor="process", max_time=30.0, retry=1)
def shrink(path: str) -> int:
    """Make one thumbnail beside the image: in a process, since it computes."""
    source = Path(path)
    with Image.open(source) as image:
        image.thumbnail(SMALL)
        small = source.with_name(f"small-{source.name}")
        image.save(small)
    return small.stat().st_size


@app.task(echo=True)
async def shrink_all(run: Run[Any], paths: list[str]) -> int:
    """All images of a folder, beside each other; its progress is theirs."""
    calls = [shrink.add_task(path) for path in paths]
    return sum([await call for call in run.track(calls)])


def main() -> int:
    """Paint, shrink, and tell."""
    with tempfile.TemporaryDirectory() as folder, app:
        paths = [str(Path(folder) / f"{number:02}.png") for number in range(NUMBER)]
        for painted in [paint.add_task(path, i) for i, path in enumerate(paths)]:
            painted.wait(timeout=60)
        job = shrink_all.add_task(paths)
        size = show_progress(job, timeout=60)
        for path in paths:
            with Image.open(Path(path).with_name(f"small-{Path(path).name}")) as small:
                assert small.size == SMALL
        print(f"{NUMBER} thumbnails of {SMALL[0]} x {SMALL[1]}, all smaller: {size < 10**6}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
