"""Tests of the durable store: its seam, its file, its thread and its journal."""
