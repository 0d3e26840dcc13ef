"""A telemetry gateway as one tree of TaskThreads: ``python -m examples.gateway --help``.

::

    Gateway                    the root: spawns the rest, looks after it, shows progress
    ├── Dashboard              a page that shows these threads at work
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

Each part is supervised: when it crashes a fresh instance takes its place, and the others go on.
They know each other by handles, which stay good; signals wait for the next instance. What else
must outlive an instance belongs to the gateway, which lends it to each in turn: the listening
sockets, the counts, the processor's desk, the rows that are not written yet.

Children stop in the reverse order of their start. So the clients finish first, then the server
takes no more connections and ends those it has, the processor works off its inbox, and the
database commits last: what came in was written.

Who imports whom, left may import right::

    __main__, service -> gateway -> panel, server, processor, database, viewers, sampler, load
                                 -> part -> messages
                      -> client, frames, readings, store, totals (none of them imports task_thread)
"""
