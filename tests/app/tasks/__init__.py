"""Tasks and their runs, in memory."""
