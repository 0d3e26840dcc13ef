"""background_task and the default app: from its first call to the end of the interpreter."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.app.tasks.hands import WITHIN


def program(text: str, *options: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=WITHIN * 4,
        check=False,
    )
    return done.returncode, done.stdout.split("\n")[:-1], done.stderr


def test_a_function_becomes_a_task_and_runs() -> None:
    code, lines, errors = program("""
        from task_thread.app import background_task, default_app, Task
        def shrink(x): return x // 2
        task = background_task(shrink, name="Shrink", priority=50)
        assert isinstance(task, Task)
        assert default_app().tasks_by_id["Shrink"] is task
        assert default_app() is default_app()
        print(task.add_task(8).wait(5), task(10))
    """)
    assert (code, lines, errors) == (0, ["4 5"], "")


def test_the_exit_of_the_interpreter_ends_it_in_order() -> None:
    code, lines, errors = program("""
        import asyncio, atexit, threading
        from task_thread.app import background_task, Interval, default_app
        begun = threading.Event()
        def slow():
            begun.set()
            threading.Event().wait(0.3)
            print("what runs has ended", flush=True)
        async def polls():
            print("set up", flush=True)
            up.set()
            while (yield): pass
            print("cleaned up", flush=True)
        up = threading.Event()
        run = background_task(slow).add_task()
        late = background_task(print).add_task("never", delay=60)
        late.add_callback(lambda run: print("delayed:", run.status, flush=True))
        default_app().schedule(polls, Interval(seconds=0.01))
        assert begun.wait(5) and up.wait(5)
        print("main has ended", flush=True)
    """)
    assert (code, errors) == (0, "")
    assert lines[:2] == ["set up", "main has ended"]
    assert sorted(lines[2:]) == ["cleaned up", "delayed: cancelled", "what runs has ended"]


def test_an_exit_with_an_error_ends_it_too() -> None:
    code, lines, errors = program("""
        import threading
        from task_thread.app import background_task
        begun = threading.Event()
        def slow():
            begun.set()
            threading.Event().wait(0.2)
            print("ended", flush=True)
        background_task(slow).add_task()
        begun.wait(5)
        raise SystemExit(3)
    """)
    assert (code, lines, errors) == (3, ["ended"], "")


def test_without_a_call_it_does_not_begin() -> None:
    code, lines, errors = program("""
        import threading
        import task_thread.app
        from task_thread.app import background_task
        print(threading.active_count())
    """)
    assert (code, lines, errors) == (0, ["1"], "")


def test_it_begins_in_the_midst_of_a_loop_and_from_many_threads() -> None:
    code, lines, errors = program("""
        import asyncio, threading
        from task_thread.app import background_task
        def double(x): return 2 * x
        async def main():
            return await background_task(double, id="loop").add_task(4)
        print(asyncio.run(main()))
        results = []
        barrier = threading.Barrier(8)
        def one(n):
            barrier.wait(5)
            results.append(background_task(double, id=str(n)).add_task(n).wait(5))
        threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
        print(sorted(results))
    """)
    assert (code, lines, errors) == (0, ["8", "[0, 2, 4, 6, 8, 10, 12, 14]"], "")


def test_it_decorates_too() -> None:
    code, lines, errors = program("""
        from task_thread.app import background_task
        @background_task
        def bare(x): return x
        @background_task(retry=3)
        async def called(x): return x
        print(bare.add_task(1).wait(5), called.add_task(2).wait(5), called.options.retry)
    """)
    assert (code, lines, errors) == (0, ["1 2 3"], "")


def test_a_duplicate_is_an_error() -> None:
    code, lines, errors = program("""
        from task_thread.app import background_task
        from task_thread.errors import DuplicateTask
        background_task(len)
        try:
            background_task(len)
        except DuplicateTask as error:
            print("duplicate")
        background_task(len, replace=True)
    """)
    assert (code, lines, errors) == (0, ["duplicate"], "")


@pytest.mark.parametrize("hang", ["threading.Event().wait(60)", "time.sleep(60)"])
def test_a_function_that_hangs_does_not_keep_the_interpreter(hang: str) -> None:
    code, lines, _ = program(f"""
        import threading, time
        from task_thread.app import background_task, default_app
        default_app().stop_timeout = 0.5
        begun = threading.Event()
        def hangs():
            begun.set()
            {hang}
        background_task(hangs).add_task()
        begun.wait(5)
        print("end", flush=True)
    """)
    assert (code, lines) == (0, ["end"])
