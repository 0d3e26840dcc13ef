"""Where sockets live: names, folders, modes, and what is left behind."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from task_thread.errors import ControlError
from task_thread.monitor import places
from task_thread.monitor.places import SocketFile, private_folder, socket_path, where_sockets_live


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


# ---- the folder -----------------------------------------------------------------------------


def test_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert where_sockets_live() == tmp_path
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", "")
    assert where_sockets_live() == Path("/run/user/7/task-thread")
    monkeypatch.delenv("TASK_THREAD_RUN_DIR")
    assert where_sockets_live() == Path("/run/user/7/task-thread")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert where_sockets_live() == tmp_path / f"task-thread-{os.geteuid()}"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert where_sockets_live() == tmp_path / f"task-thread-{os.geteuid()}"


def test_a_relative_folder_becomes_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", "run")
    assert where_sockets_live() == tmp_path / "run"


def test_looking_makes_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASK_THREAD_RUN_DIR", str(tmp_path / "run"))
    socket_path("gateway")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["gateway", "Gateway-1", "a", "_x", "a.b", "a@b:c+d", "7" * 64])
def test_names(name: str, folder: Path) -> None:
    assert socket_path(name) == folder / f"{name}.sock"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc/passwd", "../x", "a..b", ".hidden", "-n", "a b", "a\n", "a\0b",
     "é", "x" * 65],
)  # fmt: skip
def test_names_that_are_none(name: str, folder: Path) -> None:
    with pytest.raises(ControlError, match="is no name for a daemon") as caught:
        socket_path(name)
    assert str(caught.value).isprintable()


def test_a_folder_is_made_with_mode_0700(folder: Path) -> None:
    earlier = os.umask(0)
    try:
        with private_folder(folder / "new" / "run", make=True):
            assert mode(folder / "new" / "run") == 0o700
    finally:
        os.umask(earlier)
        (folder / "new" / "run").rmdir()
        (folder / "new").rmdir()


@pytest.mark.parametrize("wrong", [0o755, 0o770, 0o701, 0o710])
def test_a_folder_open_to_others_is_refused(folder: Path, wrong: int) -> None:
    folder.chmod(wrong)
    with pytest.raises(ControlError, match=f"open to others .mode {wrong:04o}.*chmod 700"):
        SocketFile(folder / "a.sock").listen()
    assert mode(folder) == wrong  # it is not repaired: who opened it may have had a reason


def test_somebody_elses_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: mine + 1)
    with pytest.raises(ControlError, match=f"belongs to user {mine}, not to you"):
        SocketFile(folder / "a.sock").listen()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_is_refused(folder: Path, tmp_path: Path, kind: str) -> None:
    wrong = tmp_path / "wrong"
    if kind == "link":
        wrong.symlink_to(folder)
    else:
        wrong.write_text("", encoding="ascii")
    with pytest.raises(ControlError, match="is no folder"):
        SocketFile(wrong / "a.sock").listen()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(ControlError, match=r"can't make the folder .*: (File|Not a dir)"):
        SocketFile(tmp_path / "file" / "run" / "a.sock").listen()


# ---- the file -------------------------------------------------------------------------------


def test_modes_whatever_the_umask(folder: Path) -> None:
    earlier = os.umask(0)
    try:
        file = SocketFile(folder / "a.sock")
        with file.listen():
            assert mode(folder / "a.sock") == 0o600
            assert mode(folder) == 0o700
        file.remove()
    finally:
        os.umask(earlier)


def test_the_mode_is_right_from_the_first_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr("os.chmod", lambda path, _mode: seen.append(mode(path)))
    earlier = os.umask(0)
    try:
        file = SocketFile(folder / "a.sock")
        file.listen().close()
    finally:
        os.umask(earlier)
    file.remove()
    assert seen == [0o600]  # when chmod() came, it had its mode already


def test_a_socket_that_a_dead_process_left_is_replaced(folder: Path) -> None:
    path = folder / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    before = path.lstat().st_ino, path.lstat().st_ctime_ns
    file = SocketFile(path)
    with file.listen(), socket.socket(socket.AF_UNIX) as client:
        assert (path.lstat().st_ino, path.lstat().st_ctime_ns) != before
        client.connect(str(path))
    file.remove()


def test_a_live_one_is_refused_by_name_and_process(folder: Path) -> None:
    file = SocketFile(folder / "a.sock")
    with file.listen():
        with pytest.raises(
            ControlError, match=rf"a\.sock is in use: process {os.getpid()} listens"
        ):
            SocketFile(folder / "a.sock").listen()
        # Also one whose queue is full, since it is stopped: it lives.
        waiting: list[socket.socket] = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            waiting.append(client)
            client.setblocking(False)
            if client.connect_ex(str(folder / "a.sock")) != 0:
                break
        with pytest.raises(ControlError, match="in use: a daemon listens"):
            SocketFile(folder / "a.sock").listen()
        for client in waiting:
            client.close()
    file.remove()


def test_what_is_no_socket_is_left_alone(folder: Path) -> None:
    path = folder / "a.sock"
    path.write_text("mine", encoding="ascii")
    with pytest.raises(ControlError, match="exists and is no socket"):
        SocketFile(path).listen()
    assert path.read_text(encoding="ascii") == "mine"
    path.unlink()


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (folder / "a.sock").symlink_to(target)
    with pytest.raises(ControlError, match="exists and is no socket"):
        SocketFile(folder / "a.sock").listen()
    assert not target.exists()
    (folder / "a.sock").unlink()


def test_it_removes_its_own_file_only(folder: Path) -> None:
    path = folder / "a.sock"
    mine = SocketFile(path)
    mine.listen().close()
    path.unlink()
    # The inode's number may be used again: keep it busy while the other file is made.
    blocker = folder / "blocker"
    blocker.write_text("", encoding="ascii")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        mine.remove()
        assert path.is_socket()
    blocker.unlink()
    path.unlink()


def test_remove_again_or_before_does_nothing(folder: Path) -> None:
    file = SocketFile(folder / "a.sock")
    file.remove()
    file.listen().close()
    file.remove()
    (folder / "a.sock").write_text("", encoding="ascii")
    file.remove()
    assert (folder / "a.sock").exists()
    (folder / "a.sock").unlink()


def test_a_path_that_is_too_long_is_one_clear_line(folder: Path) -> None:
    limit = places._PATH_LIMIT
    name = "é" * 8 + "x" * (limit - len(os.fsencode(folder)) - 1 - 16 - 5) + ".sock"
    path = folder / name
    assert len(os.fsencode(path)) == limit
    file = SocketFile(path)
    file.listen().close()  # so long is not too long
    file.remove()
    with pytest.raises(ControlError, match=f"{limit + 1} bytes long, and the system takes {limit}"):
        SocketFile(folder / f"x{name}")


def test_of_many_that_start_at_once_on_a_stale_file_one_wins(folder: Path) -> None:
    path = folder / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    start = threading.Barrier(8)
    won: list[tuple[SocketFile, socket.socket]] = []
    lost: list[str] = []

    def begin() -> None:
        file = SocketFile(path)
        start.wait()
        try:
            won.append((file, file.listen()))
        except ControlError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # the winner's file is there
    for file, sock in won:
        sock.close()
        file.remove()


def test_one_looks_and_binds_while_the_others_wait(folder: Path) -> None:
    file = SocketFile(folder / "a.sock")
    done: list[socket.socket] = []
    thread = threading.Thread(target=lambda: done.append(file.listen()))
    with private_folder(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        thread.start()
        thread.join(0.1)  # without the lock it takes a thousandth of that
        assert thread.is_alive()
        assert not (folder / "a.sock").exists()
    thread.join()
    done[0].close()
    file.remove()
