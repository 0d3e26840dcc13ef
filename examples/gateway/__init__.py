"""A telemetry gateway as one tree of TaskThreads: ``python -m examples.gateway --help``.

::

    Gateway                    the root: starts the rest, shows progress, keeps the totals
    ├── Database               SQLite, in batches; its blocking calls have this thread to themselves
    ├── Viewers                a page and a WebSocket for browsers
    ├── Processor              checks frames and puts snapshots together
    ├── Server                 accepts TCP clients
    │   └── ClientConnection   one for each client, on the server's loop (a VirtualThread)
    ├── Sampler                sends this machine's own metrics over TCP, like any client
    └── Load                   something to do: TCP clients, good and bad, and WebSocket viewers

Signals go along one line, each inbox bounded, each sender waiting for room in the next::

    client ~TCP~> ClientConnection -> Processor -> Database
                                                -> Viewers ~WebSocket~> browser

Children stop in the reverse order of their start. So the clients finish first, then the server
takes no more connections and ends those it has, the processor works off its inbox, and the
database commits last: what came in was written.

Who imports whom, left may import right::

    __main__ -> gateway -> server, processor, database, viewers, sampler, load -> messages, client
                           -> frames, readings, store (pure: neither asyncio nor task_thread)
"""
