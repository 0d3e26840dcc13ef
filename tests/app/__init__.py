"""Tasks on a trigger."""
