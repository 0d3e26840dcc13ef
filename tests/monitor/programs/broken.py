"""A module that raises when it is imported."""

undefined  # type: ignore[name-defined]  # noqa: B018, F821
