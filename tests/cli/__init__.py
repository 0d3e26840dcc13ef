"""Tests of the command task-thread."""
