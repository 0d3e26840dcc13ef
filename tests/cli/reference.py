"""docs/reference/cli.md is written from the commands themselves.

``python -m tests.cli.reference`` writes it; test_reference.py says when that is due.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from task_thread.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

BEGIN = """\
# The command task-thread

`pip install 'task-thread[cli]'` brings it; `python -m task_thread.cli` is the same. This page is
written from the commands' own help: `task-thread COMMAND --help` says the same.

A **DAEMON** is found by its name, or by the path of its control socket (what has a `/` in it).
A **PLACE** is a daemon, or the store in which an app keeps its flows: `sqlite:///flows.db`, or its
file. Names are looked up in `$TASK_THREAD_RUN_DIR`; else in `$XDG_RUNTIME_DIR/task-thread`; else in
`task-thread-UID` in the folder for temporary files. That folder must be the user's alone (mode
0700).

| exit code | what happened |
| --- | --- |
| 0 | it went well |
| 1 | no such daemon or store, it did not answer, or it refused: one line on stderr says which |
| 2 | wrong usage; of `run` also: the class, the socket or the dashboard can't be had |

`run` ends with the tree's own code: 0, it has ended or was stopped; 1, it crashed; 70, its stop
took too long.

Results go to stdout, everything else to stderr. In a terminal lines are cut to its width; in a
pipe they are as long as they are, without colours. `NO_COLOR` and `FORCE_COLOR` are obeyed. What a
daemon says is shown without control characters, so that nothing in a thread's name or error can
reach the terminal.
"""

END = """
## Inside

```{eval-rst}
.. automodule:: task_thread.cli
   :members:

.. automodule:: task_thread.cli.__main__
   :no-members:

"""

MODULES = [
    "app", "run", "ps", "tree", "stacks", "loglevel", "stop", "top", "screen", "feed", "keyboard",
    "threads", "apps", "panel", "flows", "flow_places", "flow_sides", "flow_tables", "flow_words",
    "layout", "text", "daemons",
]  # fmt: skip


def page() -> str:
    """The whole page."""
    parts = [BEGIN]
    told: set[str] = set()
    for name, command in commands().items():
        group = name.rpartition(" ")[0]
        if group and group not in told:
            parts.append(group_text(group))
        told.add(group)
        parts.append(command_text(name, command))
    modules = "\n".join(
        f".. automodule:: task_thread.cli.{name}\n   :no-members:\n" for name in MODULES
    )
    return "\n".join(parts) + END + modules + "```\n"


def commands() -> dict[str, Any]:
    """All commands, by what is typed for them: "ps", "flows ls"."""
    return dict(_commands("", typer.main.get_command(app)))


def _commands(before: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{before}{name} ", command)
        else:
            yield f"{before}{name}", command


def group_text(name: str) -> str:
    """What is said of the commands of a group."""
    group: Any = typer.main.get_command(app)
    return f"## {name}\n\n{inspect.cleandoc(group.commands[name].help)}\n"


def command_text(name: str, command: Any) -> str:
    """The section about one command."""
    lines = [f"## {name}", "", "```text", usage(name, command), "```", "", prose(command.help)]
    rows = [row for parameter in command.params if (row := parameter_row(parameter))]
    if rows:
        lines += ["", "| | |", "| --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def usage(name: str, command: Any) -> str:
    """The line that says how it is called."""
    words = [f"task-thread {name}"]
    if any(parameter.param_type_name == "option" for parameter in command.params):
        words.append("[OPTIONS]")
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            word = parameter.metavar + ("..." if parameter.nargs == -1 else "")
            words.append(word if parameter.required else f"[{word}]")
    return " ".join(words)


def prose(text: str) -> str:
    """A command's help, its examples as one block."""
    text = inspect.cleandoc(text).replace("**Examples**\n\n", "")
    examples = re.findall(r"^ {4}(\$ .*)$", text, re.MULTILINE)
    told = re.sub(r"^ {4}\$ .*$\n?", "", text, flags=re.MULTILINE).strip()
    return told + "\n\n```console\n" + "\n".join(examples) + "\n```"


def parameter_row(parameter: Any) -> str:
    """One argument or option; "" for --help."""
    if "--help" in parameter.opts:
        return ""
    if parameter.param_type_name == "argument":
        name = parameter.metavar
    else:
        name = f"{parameter.opts[0]} {parameter.metavar or ''}".strip()
    shown = getattr(parameter, "show_default", False) and not getattr(parameter, "is_flag", False)
    value = getattr(parameter.default, "value", parameter.default)
    default = f" Default: {value}." if shown and value is not None else ""
    return f"| `{name.replace('|', chr(92) + '|')}` | {parameter.help}{default} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
