"""What can be wrong with a request; every message names the value at fault and what to do."""


class PackingError(Exception):
    """Base of everything that planning refuses; `str()` is a sentence for the person who asked."""


class InvalidRequest(PackingError):
    """The request contradicts itself or Heron's rules, whatever plan were made for it."""


class Infeasible(PackingError):
    """The request is well formed, but no plan can satisfy its constraints."""


class UnsupportedRequest(PackingError):
    """A planner cannot answer this kind of request, though another one may."""
