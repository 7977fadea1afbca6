"""Keys are hashed as Heron hashes them, and shares follow at any parallelism."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.errors import InvalidRequest
from packing.flows import arriving_shares, flows, instance_shares
from packing.key_skew import (
    FIELDS_PRIME,
    KeyWeights,
    Order,
    Serializer,
    concentration,
    hot_key,
    hottest_share,
    serialised,
    shares_at,
    string_hash,
    string_hashes,
    useful_parallelism,
)
from packing.profile import Profile
from packing.topology import Grouping
from tests.packing.build import plan, topology

# Printed by a C++ program that calls std::hash<std::string> (libstdc++ of gcc 12, x86-64).
LIBSTDCXX = {
    b"": 0x553E93901E462A6E,
    b"a": 0x454DDEE488C1ED6B,
    b"ab": 0x4C4DA6CD289C737B,
    b"abcdefg": 0xDEEE6830A3AF82AF,
    b"abcdefgh": 0x783DB3E38DB898BB,
    b"abcdefghi": 0xB4EC9257851C8AAF,
    b"heron-bridge": 0x4B5AC4FFCB965F71,
    b"The quick brown fox jumps over the lazy dog": 0xDCCBF2541704BC75,
    b"\x03\x82\x61": 0x3B9AAC7F89F6F92D,
    b"\x00\xff\x80": 0x14DA239E8D07BD98,
    b"x" * 1000: 0x787C888415FE47CE,
}

# Printed by a Java program: Kryo 5.4.0 without references, and ObjectOutputStream of OpenJDK 17.
KRYO = {
    "": "0381",
    "a": "038261",
    "ab": "0361e2",
    "user-17": "03757365722d31b7",
    "é": "0382c3a9",
    "日本": "0383e697a5e69cac",
    "a😀": "038461eda0bdedb880",
    "a\0b": "036100e2",
    "x" * 32: "03" + "78" * 31 + "f8",
    "x" * 33: "03a2" + "78" * 33,
    "x" * 63: "03c001" + "78" * 63,
    "é" * 9000: "03e98c01" + "c3a9" * 9000,
}
JAVA = {
    "": "aced0005740000",
    "user-17": "aced0005740007757365722d3137",
    "é": "aced0005740002c3a9",
    "a😀": "aced000574000761eda0bdedb880",
    "a\0b": "aced000574000461c08062",
    "é" * 9000: "aced0005744650" + "c3a9" * 9000,
}

weights = st.dictionaries(st.text(max_size=80), st.floats(0.01, 1e6), min_size=1, max_size=40)
parallelisms = st.integers(1, 60)


@pytest.mark.parametrize("value", LIBSTDCXX, ids=repr)
def test_hashes_like_libstdcxx(value: bytes) -> None:
    assert string_hash(value) == LIBSTDCXX[value]


def murmur_by_the_book(data: bytes) -> int:
    """MurmurHash64A as published, a step at a time."""
    mask, multiplier = (1 << 64) - 1, 0xC6A4A7935BD1E995
    state = (0xC70F6907 ^ (len(data) * multiplier)) & mask
    whole = len(data) // 8 * 8
    for i in range(0, whole, 8):
        k = int.from_bytes(data[i : i + 8], "little") * multiplier & mask
        k ^= k >> 47
        state = ((state ^ (k * multiplier & mask)) * multiplier) & mask
    if data[whole:]:
        state = ((state ^ int.from_bytes(data[whole:], "little")) * multiplier) & mask
    state = ((state ^ (state >> 47)) * multiplier) & mask
    return state ^ (state >> 47)


@given(st.lists(st.binary(max_size=40)))
def test_hashing_many_at_once_is_hashing_each(values: list[bytes]) -> None:
    assert string_hashes(values).tolist() == [murmur_by_the_book(value) for value in values]


@pytest.mark.parametrize("text", KRYO, ids=lambda text: ascii(text[:10]))
def test_serialises_text_as_kryo(text: str) -> None:
    assert serialised(text, Serializer.KRYO).hex() == KRYO[text]


def test_older_kryo_writes_longer_ascii_plainly() -> None:
    assert serialised("x" * 63, Serializer.KRYO_3).hex() == "03" + "78" * 62 + "f8"
    assert serialised("x" * 64, Serializer.KRYO_3).hex() == "03c101" + "78" * 64
    assert serialised("user-17", Serializer.KRYO_3) == serialised("user-17", Serializer.KRYO)


@pytest.mark.parametrize("text", JAVA, ids=lambda text: ascii(text[:10]))
def test_serialises_text_as_java(text: str) -> None:
    assert serialised(text, Serializer.JAVA).hex() == JAVA[text]


@given(weights, parallelisms, st.sampled_from(Serializer), st.floats(0, 100))
def test_shares_are_what_sending_key_by_key_gives(
    keys: dict[str, float], n: int, serializer: Serializer, unlisted: float
) -> None:
    shares = KeyWeights(keys, serializer, unlisted).shares(n)
    expected = [unlisted / n] * n
    for key, weight in keys.items():
        expected[murmur_by_the_book(serialised(key, serializer)) % FIELDS_PRIME % n] += weight
    assert shares == pytest.approx(np.array(expected) / sum(expected))
    assert shares.sum() == pytest.approx(1)


@given(weights, st.integers(1, 12), st.integers(1, 5))
def test_shares_of_a_multiple_add_up_exactly(keys: dict[str, float], n: int, times: int) -> None:
    measured = KeyWeights(keys).shares(n * times)
    found = shares_at(n, measured.tolist(), None)
    assert found is not None
    assert found.exact
    assert found.values == pytest.approx(KeyWeights(keys).shares(n))


@given(weights, st.integers(2, 12), parallelisms)
def test_an_estimate_for_another_parallelism_is_a_share_within_its_bounds(
    keys: dict[str, float], at: int, n: int
) -> None:
    measured = KeyWeights(keys).shares(at).tolist()
    found = shares_at(n, measured, None)
    hottest = hottest_share(measured, n)
    assert found is not None
    assert hottest is not None
    assert found.values.sum() == pytest.approx(1)
    assert found.values.min() >= -1e-12
    assert 1 / n - 1e-9 <= hottest <= 1
    if n % at == 0:  # no instance can be relieved of more than its even part
        assert hottest >= max(measured) * at / n - 1e-9
    if n >= at:
        assert hottest <= max(measured) + 1e-9
    else:
        assert hottest >= max(measured) - 1e-9


def test_the_estimate_is_near_what_hashing_gives_for_keys_like_words() -> None:
    ranks = np.arange(1, 5001)
    truth, estimated = [], []
    for trial in range(20):
        keys = KeyWeights({f"{trial}-{rank}": float(rank) ** -0.9 for rank in ranks})
        truth.append(keys.shares(20).max())
        estimated.append(hottest_share(keys.shares(12).tolist(), 20))
    assert np.mean(estimated) == pytest.approx(np.mean(truth), rel=0.25)


def test_with_many_instances_the_estimate_stays_at_the_share_of_a_hot_key() -> None:
    truth, estimated = [], []
    for trial in range(40):
        keys = {f"{trial}-{i}": 0.6 / 200 for i in range(200)} | {f"{trial}-hot": 0.4}
        weights = KeyWeights(keys)
        truth.append(weights.shares(60).max())
        estimated.append(hottest_share(weights.shares(4).tolist(), 60))
    # The sum of squares knows of 0.4 only 0.16 for sure: low, but no longer near even shares.
    assert 0.16 <= np.mean(estimated) <= np.mean(truth)


def test_measured_shares_come_before_hashed_ones_at_their_own_parallelism() -> None:
    keys = KeyWeights({"a": 3.0, "b": 1.0})
    measured = shares_at(2, [0.6, 0.4], keys)
    hashed = shares_at(3, [0.6, 0.4], keys)
    assert measured is not None
    assert hashed is not None
    assert (measured.values.tolist(), measured.order) == ([0.6, 0.4], Order.COMPONENT_INDEX)
    assert hashed.values.tolist() == keys.shares(3).tolist()
    assert hashed.order is Order.TASK_ID


def test_nothing_known_gives_no_shares() -> None:
    assert shares_at(4, None, None) is None
    assert shares_at(4, [1.0], None) is None
    assert concentration([1.0]) is None


def test_one_hot_key_limits_the_useful_parallelism() -> None:
    keys = KeyWeights({"hot": 40.0, "warm": 10.0}, unlisted=50.0)
    assert keys.hottest() == ("hot", 0.4)
    assert hot_key(keys, 2) is None
    assert "'hot' carries 40%" in (hot_key(keys, 3) or "")
    assert useful_parallelism(0.0) is None
    assert useful_parallelism(1.0) == 1


KEYED = topology({"spout": 1, "count": 3}, [("spout", "count", Grouping.FIELDS)])
KEY = ("spout", "count", "default")


def test_instances_get_the_shares_of_their_component_index() -> None:
    profile = Profile(key_shares={KEY: (0.5, 0.3, 0.2)})
    placed = plan(KEYED, {1: ["count", "spout"], 2: ["count"], 3: ["count"]})
    rates = flows(KEYED, profile)
    shares = instance_shares(KEYED, placed, rates)
    by_index = {
        int(placed.index[i]): shares[i]
        for i in range(placed.instance_count)
        if placed.components[placed.component[i]] == "count"
    }
    assert by_index == pytest.approx({0: 0.5, 1: 0.3, 2: 0.2})
    assert arriving_shares(KEYED, placed, rates)[0] == pytest.approx([0.5, 0.3, 0.2])


def test_a_component_mixes_the_shares_of_its_streams_by_their_rates() -> None:
    of = topology(
        {"spout": 1, "s2": 1, "count": 2},
        [("spout", "count", Grouping.FIELDS), ("s2", "count", Grouping.SHUFFLE)],
    )
    profile = Profile(rate_per_s={"spout": 300.0, "s2": 100.0}, key_shares={KEY: (0.9, 0.1)})
    placed = plan(of, {1: ["spout", "s2", "count", "count"]})
    shares = instance_shares(of, placed, flows(of, profile))
    counting = shares[placed.component == of.position["count"]]
    assert counting == pytest.approx([0.75 * 0.9 + 0.125, 0.75 * 0.1 + 0.125])


@given(weights, st.integers(1, 6))
def test_shares_of_every_component_sum_to_one(keys: dict[str, float], parallelism: int) -> None:
    of = KEYED.with_parallelism({"count": parallelism})
    placed = plan(of, {1: ["spout"], 2: ["count"] * parallelism})
    shares = instance_shares(of, placed, flows(of, Profile(key_weights={KEY: keys})))
    sums = np.bincount(placed.component, shares, minlength=2)
    assert sums == pytest.approx([1, 1])


def test_what_senders_choose_is_known_only_where_it_was_measured() -> None:
    of = topology({"spout": 1, "count": 4}, [("spout", "count", Grouping.CUSTOM)])
    at_two = flows(of.with_parallelism({"count": 2}), Profile(key_shares={KEY: (0.9, 0.1)}))
    at_four = flows(of, Profile(key_shares={KEY: (0.9, 0.1)}))
    assert at_two.uneven[0].values.tolist() == [0.9, 0.1]
    assert not at_four.uneven


def test_an_empty_histogram_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="key weights of spout -default-> count sum to 0"):
        Profile(key_weights={KEY: {"a": 0.0}})
