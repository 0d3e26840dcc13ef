"""Tests of the project itself: what its pages promise, its names, its imports, its wheel."""
