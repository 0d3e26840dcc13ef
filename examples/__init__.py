"""Programs that show how to use task_thread: each is run, and checked, in tests/examples."""
