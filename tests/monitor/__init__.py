"""Looking into trees, and running them as daemons."""
