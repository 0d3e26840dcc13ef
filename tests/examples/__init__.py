"""Each example, run and checked."""
