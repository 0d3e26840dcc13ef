"""Programs that tests of flows start, and kill."""
