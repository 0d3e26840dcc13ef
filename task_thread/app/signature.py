"""What a task's function is, and whether it can be called with what it is given."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

__all__ = ["Shape", "is_lasting", "shape_of"]

_RESERVED: Final = ("priority", "delay")
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class Shape:
    """What kind of function it is, and what it takes. Immutable; from any thread.

    :param fn: any callable: a function, a method, a partial, an object with ``__call__``.
    :param echo: it is given its Run first.
    :param reserved: keywords that whoever calls it keeps for himself.
    :raises TypeError: it can't be called, takes no first argument though it should, or has a
        keyword of a name that is reserved.
    """

    __slots__ = (
        "_echo", "_least", "_most", "_name", "_signature",
        "is_async", "is_async_generator", "is_generator",
    )  # fmt: skip

    def __init__(
        self, fn: Callable[..., Any], echo: bool, *, reserved: Collection[str] = _RESERVED
    ) -> None:
        if not callable(fn):
            raise TypeError(f"a task is a function, not {fn!r}")
        inner: Any = fn
        while isinstance(inner, functools.partial):
            inner = inner.func
        if not inspect.isroutine(inner) and not isinstance(inner, type):
            inner = inner.__call__
        self.is_async_generator: Final = inspect.isasyncgenfunction(inner)
        self.is_generator: Final = inspect.isgeneratorfunction(inner)
        self.is_async: Final = inspect.iscoroutinefunction(inner) or self.is_async_generator
        self._name: Final = getattr(inner, "__qualname__", repr(fn))
        self._echo: Final = echo
        self._signature = _signature(fn)
        self._least, self._most = 0, -1  # nothing is certain: always ask the signature
        if self._signature is not None:
            self._count(self._signature, reserved)

    def _count(self, signature: inspect.Signature, reserved: Collection[str]) -> None:
        """How many plain arguments certainly fit, so that the usual call is judged by counting."""
        parameters = list(signature.parameters.values())
        for each in parameters:
            if each.kind is each.KEYWORD_ONLY and each.name in reserved:
                raise TypeError(
                    f"{self._name}: add_task() keeps {' and '.join(_RESERVED)} for itself: call "
                    f"the parameter {each.name!r} otherwise"
                )
        plain = [p for p in parameters if p.kind in _POSITIONAL]
        endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if self._echo and not plain and not endless:
            raise TypeError(f"{self._name} takes no argument, and echo=True gives it its Run")
        if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
            return  # not without keywords
        given = 1 if self._echo else 0
        self._least = max(0, sum(p.default is p.empty for p in plain) - given)
        self._most = 1 << 30 if endless else len(plain) - given

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """:raises TypeError: it can't be called like that; the message says which argument."""
        if not kwargs and self._least <= len(args) <= self._most:
            return
        if self._signature is None:
            return
        try:
            self._signature.bind(*((None, *args) if self._echo else args), **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}() can't be called like that: {error}") from None


@functools.lru_cache(maxsize=256)
def _known_shape(fn: Callable[..., Any], echo: bool) -> Shape:
    return Shape(fn, echo)


def shape_of(fn: Callable[..., Any], echo: bool) -> Shape:
    """The shape of `fn`, which for the last few hundred functions is known already. It raises what
    :class:`Shape` does."""
    return _known_shape(fn, echo) if is_lasting(fn) else Shape(fn, echo)


def is_lasting(fn: object) -> bool:
    """Whether it is a function of a module: it lives as long as the program, and is equal to
    nothing but itself, so what is known of it may be remembered."""
    if isinstance(fn, types.FunctionType):
        return "<" not in fn.__qualname__
    return isinstance(fn, types.BuiltinFunctionType) and inspect.ismodule(fn.__self__)


def _signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    """Its signature; None of what is written in C and has none."""
    try:
        return inspect.signature(fn)
    except ValueError:
        return None
