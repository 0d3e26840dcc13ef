"""When a task is due, against independent oracles and by hand."""
