"""The commands, each as a process, against a daemon that `task-thread run` runs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from task_thread.cli.app import app
from task_thread.monitor.places import SocketFile
from tests.cli.daemons import Daemon
from tests.control.test_client import pretender, says

runner = CliRunner()


def run(*args: str, width: int = 0) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, stdout and stderr. No width: as into a pipe."""
    environment = {"COLUMNS": str(width) if width else "", "TERM": "xterm"}
    result = runner.invoke(app, list(args), env=environment, prog_name="task-thread")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def refused(*args: str) -> str:
    """Why a command is refused: one line on stderr, nothing on stdout, exit code 1."""
    code, out, err = run(*args)
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("task-thread: ")
    return err.removeprefix("task-thread: ").rstrip("\n")


# ---- ps, tree -------------------------------------------------------------------------------


def test_ps_lists_daemons(daemon: Daemon) -> None:
    code, out, err = run("ps")
    assert (code, err) == (0, "")
    head, line = out.splitlines()
    assert head.split() == [
        "DAEMON", "PID", "UP", "STATE", "THREADS", "RESTARTS", "ROOT", "VERSION",
    ]  # fmt: skip
    told = line.split()
    assert told[:2] == ["shared", str(daemon.process.pid)]
    assert told[3:7] == ["running", "5", "1", "tree"]
    (found,) = json.loads(run("ps", "--json")[1])
    assert (found["name"], found["root"], found["socket"]) == ("shared", "tree", str(daemon.path))


def test_ps_lists_threads(daemon: Daemon) -> None:
    code, out, _ = run("ps", "shared")
    assert code == 0
    lines = out.splitlines()
    paths = [line.split()[0] for line in lines[1:]]
    assert paths == ["tree", "tree/branch", *(f"tree/branch/leaf-{n}" for n in range(3))]
    told = lines[3].split()
    assert told[1] == "running"
    assert told[3:6] == ["2", "0/100", "2"]
    assert r"ValueError: bad [red]reading[/] \x1b[31m" in lines[3]
    found = json.loads(run("ps", str(daemon.path), "--json")[1])
    assert [each["path"] for each in found] == paths
    assert all("children" not in each for each in found)


def test_without_a_name_the_only_one_is_meant(daemon: Daemon) -> None:
    told = [run("tree", *name)[:2] for name in ((), ("shared",), (str(daemon.path),))]
    ageless = {(code, re.sub(r"\d+s ago", "a while ago", out)) for code, out in told}
    assert len(ageless) == 1


def test_tree(daemon: Daemon) -> None:
    code, out, _ = run("tree", "shared")
    assert code == 0
    lines = out.splitlines()
    assert [line.partition("running")[0].rstrip() for line in lines] == [
        "tree", "└─ branch", "   ├─ leaf-0 (v)", "   ├─ leaf-1 (v)", "   └─ leaf-2 (v)",
    ]  # fmt: skip
    assert "running  1 restart, ValueError: bad [red]reading[/]" in lines[2]
    assert "in signalHandler__ of <MessageSignal from test>" in lines[2]
    assert lines[2].endswith(" ago")
    found = json.loads(run("tree", "--json")[1])
    assert found["children"][0]["children"][0]["restarts"] == 1


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("command", ["ps", "ps shared", "tree", "log-level shared", "top"])
def test_fits_the_terminal(daemon: Daemon, command: str, width: int) -> None:
    interval = ["--interval", "0.1"] if command == "top" else []
    code, out, _ = run(*command.split(), *interval, width=width)
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= width


@pytest.mark.parametrize("command", ["ps", "ps shared", "tree", "stacks", "top --interval 0.1"])
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=["ascii", "C", "latin-1"],
)
def test_without_unicode(daemon: Daemon, command: str, environment: dict[str, str]) -> None:
    done = daemon.command(*command.split(), **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    if command == "tree":
        assert "`- branch" in done.stdout
    if command in ("tree", "ps shared"):
        assert r"\x1b[31m" in done.stdout


def test_colours_where_they_are_wanted_and_nowhere_else(daemon: Daemon) -> None:
    colourful = daemon.command("tree", FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="200")
    assert "\x1b[32mrunning\x1b[0m" in colourful.stdout
    assert "\x1b" not in daemon.command("tree").stdout
    assert "\x1b" not in daemon.command("tree", FORCE_COLOR="1", NO_COLOR="1", TERM="dumb").stdout


def test_a_pipe_that_closes_is_no_traceback(daemon: Daemon) -> None:
    done = subprocess.run(
        f"{sys.executable} -m task_thread.cli stacks shared | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        env=daemon.environment,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr


# ---- stacks, levels -------------------------------------------------------------------------


def test_stacks(daemon: Daemon) -> None:
    code, out, _ = run("stacks", "shared")
    assert code == 0
    heads = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert heads == [
        "tree (idle)",
        "tree/branch (idle)",
        *(f"tree/branch/leaf-{n} (virtual)" for n in range(3)),
    ]
    assert "in select" in out
    one = run("stacks", "--thread", "leaf-1")[1]
    assert one.startswith("tree/branch/leaf-1 (virtual)\n")
    assert one.count("tree/") == 1
    found = json.loads(run("stacks", "--thread", "tree", "--json")[1])
    assert [each["path"] for each in found] == ["tree"]
    assert refused("stacks", "--thread", "nobody") == "no thread 'nobody' in this tree"


def test_log_level(fresh: Daemon) -> None:
    def levels(*args: str) -> dict[str, str]:
        done = fresh.command("log-level", "fresh", *args)
        assert done.returncode == 0, done.stderr
        head, *lines = done.stdout.splitlines()
        assert head.split() == ["LOGGER", "LEVEL"]
        return dict(tuple(line.split()) for line in lines)  # type: ignore[misc]

    names = ["root", "Branch", "Leaf", "Tree"]
    assert levels() == dict.fromkeys(names, "info")
    assert levels("Leaf", "ERROR") == {"Leaf": "error"}
    assert levels("Leaf") == {"Leaf": "error"}
    assert levels() == dict.fromkeys(names, "info") | {"Leaf": "error"}
    assert levels("warning") == dict.fromkeys(names, "warning")
    wrong = fresh.command("log-level", "fresh", "Leav", "debug")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "task-thread: no logger 'Leav' here; did you mean Leaf?\n"
    wrong = fresh.command("log-level", "fresh", "Leaf", "loud")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "no level 'loud': there is" in wrong.stderr


# ---- stop -----------------------------------------------------------------------------------


def test_stop_waits_for_the_end_of_the_process(fresh: Daemon) -> None:
    done = fresh.command("stop", "fresh")
    assert (done.returncode, done.stderr) == (0, "")
    pid = fresh.process.pid
    assert done.stdout.startswith(f"fresh (pid {pid}) has ended, after ")
    assert fresh.process.poll() is not None or fresh.ended() == 0
    assert fresh.ended() == 0
    assert not fresh.path.exists()
    again = fresh.command("stop", "fresh")
    assert again.returncode == 1
    assert again.stderr == f"task-thread: no daemon 'fresh': none runs in {fresh.folder}\n"


def test_stop_of_one_thread(fresh: Daemon) -> None:
    done = fresh.command("stop", "fresh", "--thread", "leaf-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tree/branch/leaf-1 of fresh has ended, after ")
    states = [line.split()[1] for line in fresh.command("ps", "fresh").stdout.splitlines()[1:]]
    assert states == ["running"] * 3 + ["stopped", "running"]
    wrong = fresh.command("stop", "fresh", "--thread", "leaf-9")
    assert (wrong.returncode, wrong.stderr) == (1, "task-thread: no thread 'leaf-9' in this tree\n")


def test_stop_that_takes_too_long_says_so(
    sockets_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who answers says that it stops, and does not."""
    monkeypatch.setattr("task_thread.cli.stop._GRACE", 0.05)
    answer = b'{"v":1,"id":1,"ok":true,"result":{"stopping":"tree","timeout":0.05}}\n'
    with pretender(sockets_folder / "liar.sock", says(answer)):
        line = refused("stop", "liar")
    assert f"pid {os.getpid()}" in line
    assert "answers no more, but process" in line


# ---- who is meant ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ps", "tree", "top", "stacks", "log-level", "stop"])
def test_no_such_daemon(daemon: Daemon, command: str) -> None:
    assert refused(command, "nobody") == "no daemon 'nobody': there is shared"
    assert refused(command, "/no/where.sock") == "/no/where.sock: no such socket"
    assert "no name for a daemon" in refused(command, "..")


def test_several_daemons(daemon: Daemon, sockets_folder: Path) -> None:
    with Daemon("other", sockets_folder):
        assert refused("tree") == "several daemons run, say which: other, shared"
        assert [line.split()[0] for line in run("ps")[1].splitlines()] == [
            "DAEMON", "other", "shared",
        ]  # fmt: skip


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", str(tmp_path / "none"))
    assert run("ps") == (0, "", "no daemon runs\n")
    assert run("ps", "--json") == (0, "[]\n", "")
    assert refused("tree") == f"no daemon runs in {tmp_path}/none: give a socket's path"
    (tmp_path / "none").mkdir(mode=0o755)
    (tmp_path / "none").chmod(0o755)
    assert "open to others (mode 0755)" in refused("ps")


def test_one_that_does_not_answer_is_shown(daemon: Daemon, sockets_folder: Path) -> None:
    path = sockets_folder / "odd.sock"
    with pretender(path, says(b"HTTP/1.1 400\r\n")):
        code, out, err = run("ps")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert err == f"{path}: somebody listens there, and does not answer as a daemon does\n"


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("ps odd", b"[]"),
        ("tree odd", b'{"path":7}'),
        ("stacks odd", b'[{"path":"x"}]'),
        ("log-level odd", b"[]"),
        ("top odd --interval 0.1", b"null"),
        ("stop odd", b'{"stopping":null}'),
    ],
)
def test_a_daemon_that_talks_nonsense(sockets_folder: Path, command: str, result: bytes) -> None:
    answer = b'{"v":1,"id":1,"ok":true,"result":%s}\n' % result
    with pretender(sockets_folder / "odd.sock", says(answer)):
        assert "of another form" in refused(*command.split())


# ---- run ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says_so"),
    [
        ([], "Missing argument"),
        (["tests.cli.program:Tree", "--log-level", "loud"], "no level 'loud'"),
        (["tests.cli.program:Tree", "--log-format", "xml"], "xml"),
        (["tests.cli.program:Tree", "--name", "a/b"], "is no name for a daemon"),
        (["tests.cli.program:Tree", "--stop-timeout", "nan"], "no number of seconds"),
        (["tests.cli.program:Tree", "--stop-timeout", "-1"], "no number of seconds"),
        (["tests.cli.program:Tree", "--dashboard", "host"], "is no HOST:PORT"),
        (["tests.cli.program:Tree", "--dashboard", "::1:80"], "is no HOST:PORT"),
        (["tests.cli.program:Tree", "--dashboard", "h:99999"], "is no HOST:PORT"),
        (["pkg:"], "is no package.module:Class"),
        (["no_such.module:Root"], "no module no_such"),
        (["tests.cli.program:Nobody"], "Nobody"),
        (["tests.cli.program:Tree", "1", "2", "3"], "Tree"),
    ],
)
def test_run_refused(daemon: Daemon, args: list[str], says_so: str) -> None:
    done = daemon.command("run", *args, "--control", "none", COLUMNS="300")
    assert (done.returncode, done.stdout) == (2, "")
    assert says_so in done.stderr
    assert "Traceback" not in done.stderr


def test_run_in_a_place_that_is_taken(daemon: Daemon) -> None:
    done = daemon.command("run", "tests.cli.program:Tree", "--name", "shared")
    assert done.returncode == 2
    assert f"is in use: process {daemon.process.pid} listens there" in done.stderr
    assert "Traceback" not in done.stderr
    assert daemon.command("tree", "shared").returncode == 0


def test_run_with_arguments_and_the_current_folder(tmp_path: Path, sockets_folder: Path) -> None:
    (tmp_path / "here.py").write_text(
        "from task_thread import TaskThread\n"
        "class Root(TaskThread):\n"
        "    def __init__(self, *args):\n"
        "        super().__init__()\n"
        "        self.args = args\n"
        "    async def enter__(self):\n"
        "        print(self.args, flush=True)\n"
        "        await self.stop()\n",
        encoding="ascii",
    )
    done = subprocess.run(
        [sys.executable, "-m", "task_thread.cli", "run", "here:Root", "a", "--", "-b", "--name"],
        cwd=tmp_path,
        env={
            **os.environ,
            "TASK_THREAD_RUN_DIR": str(sockets_folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONSAFEPATH": "1",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "('a', '-b', '--name')\n"), done.stderr


def test_run_ends_in_order_on_a_signal(fresh: Daemon) -> None:
    fresh.process.send_signal(signal.SIGTERM)
    assert fresh.ended() == 0
    assert not fresh.path.exists()


# ---- usage ----------------------------------------------------------------------------------


def test_no_command_shows_help() -> None:
    code, out, err = run()
    assert code == 2
    assert "log-level" in out + err


@pytest.mark.parametrize("args", [["dance"], ["ps", "--loud"], ["stop"], ["log-level"]])
def test_wrong_usage(args: list[str]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert "Usage" in err


@pytest.mark.parametrize("interval", ["0", "nan", "inf", "-1", "0.01", "x"])
def test_wrong_interval(interval: str) -> None:
    assert run("top", "--interval", interval)[0] == 2


def test_version() -> None:
    from task_thread import __version__

    assert run("--version") == (0, f"task-thread {__version__}\n", "")


def test_a_dead_daemons_socket_is_no_daemon(daemon: Daemon, sockets_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(sockets_folder / "dead.sock"))
    try:
        assert len(run("ps")[1].splitlines()) == 2
        assert refused("tree", "dead").endswith("dead.sock: nobody listens there any more")
        file = SocketFile(sockets_folder / "dead.sock")
        file.listen().close()  # a new one takes its place
        file.remove()
    finally:
        (sockets_folder / "dead.sock").unlink(missing_ok=True)
