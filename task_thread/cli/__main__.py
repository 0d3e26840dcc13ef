"""``python -m task_thread.cli``: the same as the command ``task-thread``."""

from task_thread.cli import main

if __name__ == "__main__":
    main()
