"""Profile files: what they may say, how they build on each other, and how they are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.profile_file import json_schema, load_profile_file
from bridge.profiles import at_rate, find_profile
from packing.errors import InvalidRequest
from packing.profile import RELATIVE_SD, UNKNOWN, Source
from packing.resources import MIB
from packing.topology import Grouping, Stream
from tests.packing.build import topology

DOCS = Path(__file__).resolve().parents[2] / "docs"

WORDS = topology(
    {"sentences": 2, "words": 2, "count": 3},
    [("sentences", "words"), ("words", "count", Grouping.FIELDS)],
)
TO_WORDS = ("sentences", "words", "default")
TO_COUNT = ("words", "count", "default")


def profile(**content: Any) -> dict[str, Any]:
    return {"schema": "heron-bridge-profile/1", **content}


def library(**content: Any) -> dict[str, Any]:
    return {"schema": "heron-bridge-library/1", **content}


def write(folder: Path, content: object, name: str = "topology.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def refusal(folder: Path, content: object) -> str:
    with pytest.raises(InvalidRequest) as raised:
        load_profile_file(write(folder, content), WORDS)
    message = str(raised.value)
    assert message.startswith(f"{folder / 'topology.json'}: ")
    return message.removeprefix(f"{folder / 'topology.json'}: ")


def of_component(**numbers: Any) -> dict[str, Any]:
    return profile(components={"count": numbers})


def of_stream(**numbers: Any) -> dict[str, Any]:
    return profile(streams=[{"from": "words", **numbers}])


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (DOCS / "profile.md").read_text(), re.S)
    (tmp_path / "word-count.yaml").write_text(examples[0])
    (tmp_path / "library.yaml").write_text(examples[1])
    found = load_profile_file(tmp_path / "word-count.yaml", WORDS)
    assert found.knows_load(WORDS)
    assert found.service_s == pytest.approx({"sentences": 12e-6, "words": 35e-6, "count": 8e-6})
    assert found.wait_s == {"words": pytest.approx(2e-4)}
    assert found.ram_bytes == {"count": 600 * MIB}
    assert found.service_scv == {"sentences": 1, "words": 0.5, "count": 1}
    assert found.selectivity == {TO_WORDS: 1, TO_COUNT: 7.2}
    words = found.origin_of("service_s", "words")
    assert (words.source, words.note) == (Source.MEASURED, "12 h of production")
    assert words.relative_sd == pytest.approx(2 / 35)
    assert found.origin_of("service_s", "count").relative_sd == 0.1
    assert found.origin_of("rate_per_s", "sentences").note == "figures of the team"
    keys = found.shares_at(TO_COUNT, 5)
    assert keys is not None
    assert keys.exact


def test_the_schema_in_the_documentation_is_the_one_in_use() -> None:
    stated = json.loads((DOCS / "profile.schema.json").read_text())
    assert stated == json_schema()


BAD: list[tuple[dict[str, Any], str]] = [
    (of_component(service_us=-1), "components.count.service_us"),
    (of_component(service_us=float("nan")), "components.count.service_us"),
    (of_component(service_us=float("inf")), "components.count.service_us"),
    (of_component(service_us=True), "components.count.service_us"),
    (of_component(service_us="35"), "components.count.service_us"),
    (of_component(service_us={"value": -3}), "components.count.service_us.value"),
    (of_component(service_us={"value": 3, "spread": 30}), "components.count.service_us.spread"),
    (of_component(service_us={"value": 3, "sd": -1}), "components.count.service_us.sd"),
    (of_component(service_us={"value": 3, "sd": 1, "spread": 1}), "components.count.service_us"),
    (of_component(service_us={"sd": 1}), "components.count.service_us.value"),
    (of_component(service_us={"value": 3, "source": "guess"}), "service_us.source"),
    (of_component(servce_us=1), "components.count.servce_us"),
    (of_component(service_us=1, service_ms=1), "service_ms and service_us state the same twice"),
    (of_component(rate_per_s=1), "components.count.rate_per_s"),
    (profile(components={"cuont": {"service_us": 1}}), "components.cuont"),
    (profile(components=[1]), "components"),
    (of_stream(selectivity=-0.5), "streams.0.selectivity"),
    (of_stream(to="cuont", selectivity=1), "streams.0: topology 'topology' has no stream"),
    (of_stream(stream="other"), "streams.0: topology 'topology' has no stream 'other'"),
    (of_stream(key_shares=[0.5, 0.4]), "streams.0.key_shares: they sum to 0.9"),
    (of_stream(key_shares=[1.5, -0.5]), "streams.0.key_shares.1"),
    (of_stream(key_shares=[]), "streams.0.key_shares"),
    (of_stream(keys={"a": -1}), "streams.0.keys.a"),
    (of_stream(keys={"a": 0}), "streams.0.keys"),
    (of_stream(keys={}), "streams.0.keys"),
    (of_stream(other_keys=3), "streams.0.other_keys"),
    (of_stream(serializer="avro", keys={"a": 1}), "streams.0.serializer"),
    (profile(streams=[{"from": "sentences", "key_shares": [1]}]), "streams.0.key_shares"),
    (
        of_stream(selectivity_by_input=[{"from": "count", "selectivity": 1}]),
        "streams.0.selectivity_by_input.0: 'words' reads no stream 'default' of 'count'",
    ),
    (
        of_stream(selectivity_by_input=[{"from": "sentences", "selectivity": -1}]),
        "streams.0.selectivity_by_input.0.selectivity",
    ),
    ({"components": {}}, "schema: it is missing"),
    ({"schema": "heron-bridge-profile/2"}, "schema"),
    (profile(source="guess"), "source"),
]


@pytest.mark.parametrize(("content", "field"), BAD, ids=[field for _, field in BAD])
def test_a_bad_profile_is_refused_by_the_name_of_the_field(
    tmp_path: Path, content: dict[str, Any], field: str
) -> None:
    message = refusal(tmp_path, content)
    assert field in message.partition(" (is ")[0]


@pytest.mark.parametrize(
    ("content", "field", "meant"),
    [
        (of_component(service_s=35000), "service_s: is 35000", "service_us"),
        (of_component(service_s=35e6), "service_s: is 3.5e+07", "service_ns"),
        (of_component(service_ns=0.02), "service_ns: is 0.02", "service_us"),
        (of_component(wait_s=500), "wait_s: is 500", "wait_ms"),
        (of_component(ram_gb=2048), "ram_gb: is 2048", "ram_mb"),
        (of_component(ram_mb=536870912), "ram_mb: is 5.36871e+08", "ram_bytes"),
        (of_component(ram_bytes=512), "ram_bytes: is 512", "ram_mb"),
        (of_stream(tuple_kb=250000), "tuple_kb: is 250000", "tuple_bytes"),
        (of_stream(tuple_bytes=0.25), "tuple_bytes: is 0.25", "tuple_kb"),
        (of_stream(selectivity=1e7), "selectivity: is 1e+07", "check its unit"),
        (
            profile(components={"sentences": {"rate_per_s": 3.6e9}}),
            "rate_per_s: is 3.6e+09",
            "tuples per second of one instance",
        ),
    ],
)  # fmt: skip
def test_a_mistaken_unit_is_named_with_the_one_that_was_meant(
    tmp_path: Path, content: dict[str, Any], field: str, meant: str
) -> None:
    message = refusal(tmp_path, content)
    assert field in message
    assert meant in message


def test_a_misspelt_field_gets_the_one_that_was_meant(tmp_path: Path) -> None:
    assert "did you mean service_us?" in refusal(tmp_path, of_component(servce_us=1))


def test_yaml_numbers_as_keys_are_refused_since_they_hash_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "topology.yaml"
    path.write_text("schema: heron-bridge-profile/1\nstreams:\n- {from: words, keys: {17: 3}}\n")
    with pytest.raises(InvalidRequest, match=r"streams\.0\.keys\.17"):
        load_profile_file(path, WORDS)


@pytest.mark.parametrize("text", ["", "[]", "3", "a: [", "&a [*a]"])
def test_what_is_no_profile_at_all_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "topology.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=r"topology\.yaml"):
        load_profile_file(path, WORDS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["service_us", "rate_per_s", "from", "to", "keys", "key_shares", "value", "sd", "source"]
)


@given(
    components=st.dictionaries(
        st.sampled_from(WORDS.names), st.dictionaries(FIELDS, JSON) | JSON, max_size=2
    ),
    streams=st.lists(st.dictionaries(FIELDS, JSON) | JSON, max_size=2) | JSON,
)
def test_whatever_a_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, components: Any, streams: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(profile(components=components, streams=streams)))
    try:
        load_profile_file(path, WORDS)
    except InvalidRequest as error:
        assert str(path) in str(error)


def test_a_stream_without_a_reader_is_for_all_of_them(tmp_path: Path) -> None:
    of = topology({"s": 1, "a": 1, "b": 1}, [("s", "a"), ("s", "b")])
    content = profile(
        streams=[{"from": "s", "selectivity": 2}, {"from": "s", "to": "b", "tuple_bytes": 30}]
    )
    found = load_profile_file(write(tmp_path, content), of)
    assert found.selectivity == {("s", "a", "default"): 2, ("s", "b", "default"): 2}
    assert found.tuple_bytes == {("s", "b", "default"): 30}


def test_selectivity_may_depend_on_the_input(tmp_path: Path) -> None:
    of = topology({"s": 1, "s2": 1, "j": 1, "k": 1}, [("s", "j"), ("s2", "j"), ("j", "k")])
    content = profile(
        streams=[
            {
                "from": "j",
                "selectivity": 1,
                "selectivity_by_input": [{"from": "s2", "selectivity": 0.1}],
            }
        ]
    )
    found = load_profile_file(write(tmp_path, content), of)
    output = ("j", "k", "default")
    assert found.input_selectivity == {(output, ("s2", "j", "default")): 0.1}
    assert found.selectivity == {output: 1}


# -- inheritance


def test_a_profile_wins_over_libraries_and_later_libraries_over_earlier(tmp_path: Path) -> None:
    numbers = {"service_us": 1, "wait_us": 1, "service_scv": 1}
    write(tmp_path, library(components={"*": numbers}), "a.json")
    more = {"[sw]*": {"service_us": 2, "wait_us": 2}, "nowhere": {"service_us": 9}}
    write(tmp_path, library(source="measured", components=more), "b.json")
    own = profile(library=["a.json", "b.json"], components={"words": {"service_ms": 3}})
    found = load_profile_file(write(tmp_path, own), WORDS)
    assert found.service_s == pytest.approx({"sentences": 2e-6, "words": 3e-3, "count": 1e-6})
    assert found.wait_s == pytest.approx({"sentences": 2e-6, "words": 2e-6, "count": 1e-6})
    assert found.service_scv == {"sentences": 1, "words": 1, "count": 1}
    sources = [found.origin_of("service_s", name).source for name in WORDS.names]
    assert sources == [Source.MEASURED, Source.DECLARED, Source.DECLARED]


def test_a_library_gives_rates_to_spouts_and_keys_to_keyed_streams_alone(tmp_path: Path) -> None:
    everything = library(
        components={"*": {"rate_per_s": 5}},
        streams=[{"from": "*", "key_shares": [0.5, 0.3, 0.2]}],
    )
    found = load_profile_file(write(tmp_path, everything), WORDS)
    assert found.rate_per_s == {"sentences": 5}
    assert list(found.key_shares) == [TO_COUNT]


def test_keys_of_a_profile_replace_shares_of_a_library(tmp_path: Path) -> None:
    below = library(streams=[{"from": "words", "key_shares": [0.5, 0.3, 0.2]}])
    write(tmp_path, below, "library.json")
    own = profile(streams=[{"from": "words", "keys": {"a": 1}}])
    found = load_profile_file(write(tmp_path, own), WORDS)
    assert not found.key_shares
    assert found.shares_at(TO_COUNT, 3) is not None


def test_the_library_of_the_folder_is_used_unless_a_profile_names_others(tmp_path: Path) -> None:
    write(tmp_path, library(components={"*": {"wait_us": 4}}), "library.json")
    assert len(load_profile_file(write(tmp_path, profile()), WORDS).wait_s) == 3
    assert not load_profile_file(write(tmp_path, profile(library=[])), WORDS).wait_s


def test_a_topology_without_a_profile_gets_what_the_library_says(tmp_path: Path) -> None:
    assert find_profile("", WORDS, tmp_path) == UNKNOWN
    write(tmp_path, library(components={"count": {"service_us": 4}}), "library.json")
    assert find_profile("", WORDS, tmp_path).service_s == {"count": pytest.approx(4e-6)}


def test_a_library_must_be_one_and_stand_alone(tmp_path: Path) -> None:
    write(tmp_path, profile(), "other.json")
    assert "library: other.json" in refusal(tmp_path, profile(library="other.json"))
    write(tmp_path, library(library="more.json"), "other.json")
    with pytest.raises(InvalidRequest, match="cannot build on another"):
        load_profile_file(write(tmp_path, profile(library="other.json")), WORDS)
    with pytest.raises(InvalidRequest, match=r"missing\.json"):
        load_profile_file(write(tmp_path, profile(library="missing.json")), WORDS)


# -- found by name


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_either_form_is_found_by_the_name_of_the_topology(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"topology.{suffix}"
    write(tmp_path, of_component(service_ms=2), path.name)
    assert find_profile("", WORDS, tmp_path).service_s == {"count": 2e-3}
    workload = {
        "name": "w",
        "components": [
            {"name": "sentences", "kind": "spout", "parallelism": 1, "rate": 3, "service_ms": 2}
        ],
    }
    path.write_text(json.dumps(workload))
    found = find_profile("", WORDS, tmp_path)
    assert (found.service_s, found.rate_per_s) == ({"sentences": 2e-3}, {"sentences": 3})


def test_an_asked_rate_is_exact_whatever_was_known_of_it(tmp_path: Path) -> None:
    content = profile(components={"sentences": {"rate_per_s": {"value": 5, "spread": 2}}})
    asked = at_rate(load_profile_file(write(tmp_path, content), WORDS), WORDS, 100)
    assert asked.rate_per_s == {"sentences": 50}
    assert asked.origin_of("rate_per_s", "sentences").relative_sd == 0


def test_spreads_follow_the_source(tmp_path: Path) -> None:
    content = profile(
        source="measured",
        components={
            "count": {"service_us": 1, "wait_us": {"value": 1, "source": "assumed"}},
            "words": {"source": "declared", "service_us": 1},
        },
    )
    found = load_profile_file(write(tmp_path, content), WORDS)
    assert found.origin_of("service_s", "count").relative_sd == RELATIVE_SD[Source.MEASURED]
    assert found.origin_of("wait_s", "count").relative_sd == RELATIVE_SD[Source.ASSUMED]
    assert found.origin_of("service_s", "words").relative_sd == RELATIVE_SD[Source.DECLARED]


def test_streams_of_other_ids_are_told_apart(tmp_path: Path) -> None:
    of = topology(
        {"s": 1, "a": 1},
        [Stream("s", "a", "x", Grouping.SHUFFLE), Stream("s", "a", "y", Grouping.SHUFFLE)],
    )
    content = profile(streams=[{"from": "s", "stream": "y", "selectivity": 3}])
    assert load_profile_file(write(tmp_path, content), of).selectivity == {("s", "a", "y"): 3}
