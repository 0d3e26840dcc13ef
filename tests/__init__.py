"""The tests: of the library, of the examples, of the project itself, and the benchmarks."""
