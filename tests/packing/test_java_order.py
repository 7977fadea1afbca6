from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.planners.java_order import hash_map_order, string_hash


# String.hashCode as the JDK prints it.
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ("a", 97),
        ("Aa", 2112),
        ("BB", 2112),
        ("spout", 109651921),
        ("hello world", 1794106052),
        ("größe", 98762257),
        ("emoji\U0001f600", -1623288791),
        ("polygenelubricants", -(2**31)),
    ],
)
def test_string_hash_is_that_of_java(text: str, code: int) -> None:
    assert string_hash(text) == code % 2**32


# Insertion order -> iteration order of new HashMap<>() filled by put, as JDK 17 prints it.
@pytest.mark.parametrize(
    ("inserted", "iterated"),
    [
        ("spout split count", "split spout count"),
        ("word consumer exclaim1 Aa BB", "Aa BB exclaim1 word consumer"),
        ("word consumer exclaim1 BB Aa", "BB Aa exclaim1 word consumer"),
        (
            # Thirteen and more names: the table has doubled.
            "s0 b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13 b14",
            "b10 b12 b11 b14 b13 b1 b2 b3 b4 b5 b6 b7 b8 b9 s0",
        ),
        (
            # Nine names in one bucket: the table doubles although it is not three quarters full.
            "bolt1 bolt18 bolt29 bolt90 bolt160 bolt204 bolt215 bolt226 bolt237 bolt248 spout",
            "bolt1 bolt90 bolt160 bolt18 bolt29 bolt204 bolt215 bolt226 bolt237 bolt248 spout",
        ),
        (
            "AaAaAaAa x AaAaAaBB y AaAaBBAa AaAaBBBB z AaBBAaAa AaBBAaBB AaBBBBAa AaBBBBBB "
            "BBAaAaAa",
            "AaAaAaAa AaAaAaBB AaAaBBAa AaAaBBBB AaBBAaAa AaBBAaBB AaBBBBAa AaBBBBBB BBAaAaAa "
            "x y z",
        ),
    ],
)
def test_order_is_that_of_a_hash_map(inserted: str, iterated: str) -> None:
    assert hash_map_order(inserted.split()) == iterated.split()


@given(st.lists(st.text(max_size=6), max_size=40))
def test_order_is_a_permutation_without_repeats(names: list[str]) -> None:
    ordered = hash_map_order([*names, *names])
    assert sorted(ordered) == sorted(set(names))
    if len(ordered) <= 8:  # no bucket can overflow, so the order depends on the names alone
        assert hash_map_order(ordered) == ordered
