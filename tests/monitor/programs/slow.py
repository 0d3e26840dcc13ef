"""A module whose import takes a minute."""

import threading

print("importing", flush=True)
threading.Event().wait(60.0)
