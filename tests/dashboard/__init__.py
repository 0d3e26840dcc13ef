"""The dashboard: its web server, its metrics, and its page in a real browser."""
