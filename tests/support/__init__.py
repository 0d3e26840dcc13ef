"""What several test modules share: a journal to wait on, places for threads, subprocesses."""
