"""The gateway against the same work in one asyncio server."""

from __future__ import annotations

from ..model import Benchmark, Contender, Sense, Target

BARE = "a bare asyncio server, SQLite on its loop"

GATEWAY = Benchmark(
    name="gateway",
    title="Frames through the gateway, from eight clients to SQLite",
    unit="frames/s",
    size=400_000,
    quick_size=80_000,
    contenders=(
        Contender(name="examples/gateway", call="ours_gateway:tree"),
        Contender(name=BARE, call="bare_gateway:in_loop"),
        Contender(name="a bare asyncio server, SQLite in a thread", call="bare_gateway:in_thread"),
    ),
    targets=(Target(sense=Sense.AT_LEAST, bound=0.7, against=BARE),),
)
