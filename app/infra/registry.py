"""Registries of kinds: one file a kind in one folder, found at start, duplicates refused."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar


class AlreadyRegistered(RuntimeError):
    """Two kinds claim one name."""


class NotRegistered(LookupError):
    """No kind has this name; the message lists those that exist."""


T = TypeVar("T")


class Registry(Generic[T]):
    """Kinds by name, in the order of their names."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._kinds: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`; a name taken raises AlreadyRegistered."""

        def add(kind: T) -> T:
            if name in self._kinds:
                raise AlreadyRegistered(f"{self.what} {name!r} is registered twice")
            self._kinds[name] = kind
            return kind

        return add

    def get(self, name: str) -> T:
        """Return the kind called `name`, or raise NotRegistered."""
        try:
            return self._kinds[name]
        except KeyError:
            known = ", ".join(sorted(self._kinds)) or "none"
            raise NotRegistered(f"No {self.what} is called {name!r}; there are: {known}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(sorted(self._kinds.items()))

    def discover(self, package: str) -> None:
        """Import every module of `package`, so that each registers itself."""
        module = importlib.import_module(package)
        for found in pkgutil.iter_modules(module.__path__):
            importlib.import_module(f"{package}.{found.name}")
