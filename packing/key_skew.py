"""How unevenly the keys of a stream spread over the instances that read it.

Heron's fields grouping sends a tuple to instance `(sum over key fields of hash(field) mod
633910111) mod n` of the n reading instances in the order of their task ids. Sources:
`fields-grouping.cpp` for the sum, `grouping.cpp` for the order (sorted since August 2017; before,
it depended on the placement). The hash is libstdc++'s `std::hash` of the *serialised* field:
MurmurHash64A with seed 0xc70f6907, the same on all 64-bit machines.

Keys are text here. How Heron serialises text depends on `topology.serializer.classname`:
`Serializer` says what was verified. Keys of other types, or a serializer of one's own, hash
differently: state measured shares for them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packing.arrays import Floats

FIELDS_PRIME = 633910111
"""`prime_num` in Heron's fields-grouping.cpp."""

_MULTIPLIER = 0xC6A4A7935BD1E995
_SEED = 0xC70F6907
_MASK = (1 << 64) - 1

_KRYO_STRING_CLASS = 3
"""Kryo's id of String, 1, plus the 2 that it reserves."""


class Serializer(enum.Enum):
    """How the values of tuples become bytes. Each was compared with the real library's output."""

    JAVA = "java"
    """`JavaSerializer`, which Heron uses when the topology names none: Java object serialisation.
    Verified with OpenJDK 17; the format has not changed since Java 1.2."""
    KRYO = "kryo"
    """`KryoSerializer` of Heron 0.20.3 and later, with Kryo 5. Verified with 5.4.0. The
    Streamlet API uses it unless told otherwise."""
    KRYO_3 = "kryo3"
    """`KryoSerializer` before that, with Kryo 3. Verified with 3.0.3. Differs from Kryo 5 for ASCII
    keys of 33 to 63 characters only."""


class Order(enum.Enum):
    """In which order shares stand for the instances of a component."""

    COMPONENT_INDEX = "component index"
    TASK_ID = "task id"


@dataclass(frozen=True)
class Shares:
    """Share of a stream that each reading instance gets; sums to 1."""

    values: Floats
    order: Order
    exact: bool
    """Measured at this parallelism or hashed key by key, rather than estimated."""
    detail: str
    """Where they come from, for people."""


class KeyWeights(Mapping[str, float]):
    """A key histogram: key -> its tuples in any unit, and the tuples of all keys not listed.

    Hashes its keys once, whatever parallelisms are asked for. Keys that are not listed are taken to
    be many and small: they spread evenly.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        serializer: Serializer = Serializer.JAVA,
        unlisted: float = 0.0,
    ) -> None:
        """Weights must be finite, 0 or more, and not all 0; `Profile` checks them."""
        self._weights = dict(weights)
        self.serializer = serializer
        self.unlisted = unlisted

    def __getitem__(self, key: str) -> float:
        """Weight of a listed key."""
        return self._weights[key]

    def __iter__(self) -> Iterator[str]:
        """The listed keys."""
        return iter(self._weights)

    def __len__(self) -> int:
        """Number of listed keys."""
        return len(self._weights)

    def __repr__(self) -> str:
        """Short: histograms are long."""
        return f"KeyWeights({len(self)} keys, {self.serializer.value}, unlisted={self.unlisted:g})"

    @cached_property
    def total(self) -> float:
        """Weight of all keys, listed or not."""
        return math.fsum(self._weights.values()) + self.unlisted

    def hottest(self) -> tuple[str, float]:
        """The key with the largest share of the tuples, and that share; "" without listed keys."""
        if not self._weights:
            return "", 0.0
        key = max(self._weights, key=self._weights.__getitem__)
        return key, self._weights[key] / self.total

    @cached_property
    def _residues(self) -> NDArray[np.uint64]:
        return residues([serialised(key, self.serializer) for key in self._weights])

    def shares(self, parallelism: int) -> Floats:
        """Share per reading instance in the order of task ids, by Heron's own rule; (n,)."""
        values = np.fromiter(self._weights.values(), dtype=np.float64, count=len(self))
        at = (self._residues % np.uint64(parallelism)).astype(np.int64)
        listed = np.bincount(at, values, minlength=parallelism)
        found = (listed + self.unlisted / parallelism) / self.total
        return np.asarray(found / found.sum(), dtype=np.float64)


def shares_at(
    parallelism: int, measured: Sequence[float] | None, weights: KeyWeights | None
) -> Shares | None:
    """Shares of a FIELDS stream's readers at a parallelism, from what is known; None if nothing.

    In this order: shares measured at that parallelism; the key histogram, hashed; shares measured
    at a multiple of it, added up, which is exact because (h mod 6) mod 3 = h mod 3 (as long as task
    ids and component indexes rise together, as they do in a fresh plan); shares measured at another
    parallelism, as an estimate by `hottest_share`, with the rest spread evenly. An estimate gives
    the hottest share to the first task, as nobody can know whose it will be.
    """
    if measured is not None and len(measured) == parallelism:
        return Shares(_normal(measured), Order.COMPONENT_INDEX, True, "measured shares")
    if weights is not None:
        detail = f"{len(weights)} keys hashed by Heron's rule"
        return Shares(weights.shares(parallelism), Order.TASK_ID, True, detail)
    if measured is None:
        return None
    known = len(measured)
    if known % parallelism == 0:
        merged = _normal(measured).reshape(-1, parallelism).sum(axis=0)
        detail = f"shares of {known} instances, added up to {parallelism}"
        return Shares(merged, Order.TASK_ID, True, detail)
    hottest = hottest_share(measured, parallelism)
    if hottest is None:
        return None
    values = np.full(parallelism, (1.0 - hottest) / (parallelism - 1))
    values[0] = hottest
    detail = f"estimated for {parallelism} instances from the shares of {known}"
    return Shares(values, Order.TASK_ID, False, detail)


def concentration(measured: Sequence[float]) -> float | None:
    """Estimate of the sum of squared key frequencies from shares; None for a single instance.

    Keys with frequencies p hashed independently to n instances give shares b with
    E[sum b^2] = 1/n + (1 - 1/n) sum p^2. At most the share of the hottest key; 0 = many small keys.
    """
    size = len(measured)
    if size < 2:
        return None
    squares = float(np.square(_normal(measured)).sum())
    return max(0.0, (squares - 1 / size) / (1 - 1 / size))


def hottest_share(measured: Sequence[float], parallelism: int) -> float | None:
    """Estimate of the largest share at another parallelism; None when nothing can be said.

    1/n + sqrt(2 ln n * sum p^2 / n), the expected maximum of n nearly normal shares, with sum p^2
    by `concentration`; and never less than sum p^2, which the hottest key alone has at least, as
    sum p^2 <= max p * sum p. More instances never make the hottest share larger, nor fewer smaller;
    at a multiple of the measured parallelism each share splits, so its hottest part keeps at least
    its even part.
    """
    if parallelism == 1:
        return 1.0
    spread = concentration(measured)
    if spread is None:
        return None
    size, highest = len(measured), float(_normal(measured).max())
    if parallelism == size:
        return highest
    estimate = 1 / parallelism + math.sqrt(2 * math.log(parallelism) * spread / parallelism)
    estimate = max(estimate, spread)
    estimate = min(estimate, highest) if parallelism > size else max(estimate, highest)
    if parallelism % size == 0:
        estimate = max(estimate, highest * size / parallelism)
    return min(1.0, max(estimate, 1 / parallelism))


def useful_parallelism(hottest_key_share: float) -> int | None:
    """Instances beyond which the hottest key alone keeps one busier than the mean; None = no limit.

    All tuples of a key go to one instance, so its share never falls below the key's: with more than
    1/p instances, adding some relieves nobody of the hottest key.
    """
    if hottest_key_share <= 0:
        return None
    return max(1, math.floor(1 / hottest_key_share + 1e-9))


def hot_key(weights: KeyWeights, parallelism: int) -> str | None:
    """A sentence when one key is more than an instance's even share; None when none is."""
    key, share = weights.hottest()
    limit = useful_parallelism(share)
    if limit is None or parallelism <= limit:
        return None
    return (
        f"no parallelism helps: key {key!r} carries {percent(share)} of the stream, and one "
        f"instance gets all of it; beyond {limit} instances the busiest stays as busy"
    )


def percent(share: float) -> str:
    """`40%`, and `0.1%` rather than `0%`."""
    return f"{share:.0%}" if share >= 0.01 else f"{100 * share:.1g}%"


def serialised(key: str, serializer: Serializer) -> bytes:
    """The bytes that a text value has in a Heron tuple."""
    if serializer is Serializer.JAVA:
        return _java_string(key)
    return _kryo_string(key, 63 if serializer is Serializer.KRYO_3 else 32)


def _java_string(text: str) -> bytes:
    """Stream header, TC_STRING or TC_LONGSTRING, length, modified UTF-8."""
    body = _utf8_of_units(text).replace(b"\x00", b"\xc0\x80")
    if len(body) > 0xFFFF:
        return b"\xac\xed\x00\x05\x7c" + len(body).to_bytes(8, "big") + body
    return b"\xac\xed\x00\x05\x74" + len(body).to_bytes(2, "big") + body


def _kryo_string(text: str, longest_ascii: int) -> bytes:
    """Class id, then plain ASCII with the last byte's high bit set, or length + 1 and UTF-8."""
    head = bytes([_KRYO_STRING_CLASS])
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if 1 < units <= longest_ascii and text.isascii():
        plain = text.encode("ascii")
        return head + plain[:-1] + bytes([plain[-1] | 0x80])
    return head + _kryo_length(units + 1) + _utf8_of_units(text)


def _kryo_length(length: int) -> bytes:
    """Variable-length number whose first byte has a flag in bit 7 and its continuation in bit 6."""
    first = 0x80 | (length & 0x3F)
    length >>= 6
    if not length:
        return bytes([first])
    found = [first | 0x40]
    while length > 0x7F:
        found.append(0x80 | (length & 0x7F))
        length >>= 7
    return bytes([*found, length])


def _utf8_of_units(text: str) -> bytes:
    """UTF-8 of each UTF-16 unit on its own, as Java's writers do: surrogates take 3 bytes each."""
    if all(ord(character) < 0x10000 for character in text):
        return text.encode("utf-8", "surrogatepass")
    units = text.encode("utf-16-be", "surrogatepass")
    return b"".join(
        chr(int.from_bytes(units[i : i + 2], "big")).encode("utf-8", "surrogatepass")
        for i in range(0, len(units), 2)
    )


def string_hash(value: bytes) -> int:
    """`std::hash<std::string>` of libstdc++ on 64 bits: MurmurHash64A, seed 0xc70f6907."""
    return int(string_hashes([value])[0])


def residues(values: Sequence[bytes]) -> NDArray[np.uint64]:
    """hash mod 633910111 of each serialised key field; their sum mod n is the instance."""
    return string_hashes(values) % np.uint64(FIELDS_PRIME)


def string_hashes(values: Sequence[bytes]) -> NDArray[np.uint64]:
    """`string_hash` of many values, vectorised over those of equal length."""
    found = np.empty(len(values), dtype=np.uint64)
    by_length: dict[int, list[int]] = {}
    for i, value in enumerate(values):
        by_length.setdefault(len(value), []).append(i)
    for length, members in by_length.items():
        data = np.frombuffer(b"".join(values[i] for i in members), dtype=np.uint8)
        found[members] = _murmur(data.reshape(len(members), length))
    return found


def _murmur(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """MurmurHash64A of each row; libstdc++'s `_Hash_bytes` in hash_bytes.cc."""
    rows, length = data.shape
    multiplier = np.uint64(_MULTIPLIER)
    start = (_SEED ^ (length * _MULTIPLIER)) & _MASK
    state = np.full(rows, start, dtype=np.uint64)
    whole = length // 8 * 8
    # Multiplication modulo 2^64 is what the hash means.
    blocks: NDArray[Any] = np.ascontiguousarray(data[:, :whole]).view("<u8")
    for i in range(whole // 8):
        state ^= _mixed(blocks[:, i] * multiplier) * multiplier
        state *= multiplier
    if length > whole:
        tail = np.zeros((rows, 8), dtype=np.uint8)
        tail[:, : length - whole] = data[:, whole:]
        state ^= tail.view("<u8")[:, 0]
        state *= multiplier
    return _mixed(_mixed(state) * multiplier)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return values ^ (values >> np.uint64(47))


def _normal(shares: Sequence[float]) -> Floats:
    values = np.asarray(shares, dtype=np.float64)
    return np.asarray(values / values.sum(), dtype=np.float64)
