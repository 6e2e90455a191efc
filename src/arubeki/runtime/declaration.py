"""Refuses what is declared wrongly, where it is declared, with what to write instead.

A mistake in a declaration would otherwise show up later and elsewhere: as a run that fails again
and again, as a watch of nothing, as a key that is looked at without a pause.

On the ring: beside `app`, before anything runs.
"""

import inspect
from collections.abc import Iterable
from typing import Any

from arubeki.api.selectors import FieldSelector, LabelSelector
from arubeki.errors import ConfigError
from arubeki.runtime.shape import kind_of


def check_kinds(found: Any, option: str) -> tuple[Any, ...]:
    """Return what was given for `owns` or `watches`, each a kind. Raises: ConfigError."""
    if isinstance(found, type) or not isinstance(found, Iterable) or isinstance(found, str):
        name = getattr(found, "__name__", found)
        raise ConfigError(f"{option}={name} is no list\nhelp: {option}=[{name}]")
    kinds = tuple(found)
    for kind in kinds:
        kind_of(kind)
    return kinds


def check_selectors(labels: str, fields: str) -> None:
    """Refuse selectors that no server understands. Raises: ConfigError."""
    try:
        LabelSelector.parse(labels)
    except ValueError as fault:
        raise ConfigError(f"labels={labels!r}: {fault}") from fault
    try:
        FieldSelector.parse(fields)
    except ValueError as fault:
        raise ConfigError(f"fields={fields!r}: {fault}") from fault


def check_seconds(**given: float) -> None:
    """Refuse spans of time below 0. Raises: ConfigError."""
    for name, seconds in given.items():
        if seconds < 0:
            raise ConfigError(f"{name}={seconds}: seconds, at least 0, are needed")


def check_reconcile(function: Any, decorator: str) -> None:
    """Refuse what cannot be called as `async def f(obj, ctx)`. Raises: ConfigError."""
    name = _name(function)
    if not _is_async(function):
        raise ConfigError(
            f"{name} under @{decorator} is not async\n"
            f"help: async def {name}(obj, ctx); what blocks goes through asyncio.to_thread"
        )
    if not _takes(function, 2):
        raise ConfigError(
            f"{name} under @{decorator} must take two arguments, the object and the context\n"
            f"help: async def {name}(obj, ctx)"
        )


def check_mapper(function: Any) -> None:
    """Refuse what cannot be called as `def f(obj, caches)`. Raises: ConfigError."""
    name = _name(function)
    if inspect.iscoroutinefunction(function) or not _takes(function, 2):
        raise ConfigError(
            f"{name} under @watch must be a plain function of two arguments, "
            "the changed object and the caches\n"
            f"help: def {name}(obj, caches): return [...]"
        )


def check_index(function: Any) -> None:
    """Refuse what cannot be called as `def f(obj)`. Raises: ConfigError."""
    name = _name(function)
    if inspect.iscoroutinefunction(function) or not _takes(function, 1):
        raise ConfigError(
            f"{name} under @index must be a plain function of one argument, the object\n"
            f"help: def {name}(obj): return [...]"
        )


def check_source(function: Any) -> None:
    """Refuse what gives no async iterator when called without arguments. Raises: ConfigError."""
    name = _name(function)
    if inspect.iscoroutinefunction(function) or not _takes(function, 0):
        raise ConfigError(
            f"{name} under @source must be an async generator without arguments\n"
            f"help: async def {name}(): yield ..."
        )


def _is_async(function: Any) -> bool:
    """Whether calling it gives a coroutine, as far as can be known beforehand."""
    call = function if inspect.isroutine(function) else getattr(function, "__call__", None)  # noqa: B004
    return any(inspect.iscoroutinefunction(one) for one in (inspect.unwrap(function), call))


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # some callables have no signature to ask
        return True
    return True


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
