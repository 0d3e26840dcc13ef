"""Trees that heal: Erlang's contract of supervision, in a TaskThread's terms."""
