"""The report page: well-formed, whole, self-contained, small, and the same every time."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.amounts import ranges
from bridge.analysis import Analysis, analyse
from bridge.comparison import Update, Wanted
from bridge.report import embedded
from bridge.report.axes import Axis, round_marks
from bridge.report.dag_picture import layers
from bridge.report.figures import load_sweep, plan_figures
from bridge.report.markup import Markup, element, joined
from bridge.report.palette import CIVIDIS, step
from bridge.report.pareto import undominated
from bridge.report.plan_picture import MOST_IN_DETAIL, boxes
from bridge.workload import Workload, load_workload
from packing.constraints import MIN_INSTANCE_RAM_BYTES
from packing.goal import Goal
from packing.key_skew import KeyWeights
from packing.profile import Profile
from packing.resources import GIB, MIB, describe_bytes
from packing.scenario import Scenario
from packing.topology import Component, Grouping, Kind, Stream, Topology
from tests.packing.build import DATA, roomy
from tests.packing.test_repack import BUSY, crowded

TOPOLOGIES = DATA / "topologies"
HOSTILE = "<script>alert('1')</script>&\"x\" -->"
VOID = {"meta", "br"}
LIMIT_BYTES = 3_000_000


class Reader(HTMLParser):
    """Refuses what is not well-formed, and remembers what there is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def pictures(html: str) -> list[ElementTree.Element]:
    """Every inline SVG, parsed as XML."""
    found = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    return [ElementTree.fromstring(svg) for svg in found]


def analysed(name: str) -> Analysis:
    return analyse(TOPOLOGIES / f"{name}.json")


def with_keys(instances: int) -> Workload:
    """Skewed keys, so that hardly two instances are alike."""
    share = instances // 10
    counts = {"lines": share, "parse": 4 * share, "count": 5 * share}
    topology = Topology(
        "skewed-1",
        "skewed",
        tuple(
            Component(name, Kind.SPOUT if name == "lines" else Kind.BOLT, n)
            for name, n in counts.items()
        ),
        (
            Stream("lines", "parse", "default", Grouping.FIELDS),
            Stream("parse", "count", "default", Grouping.FIELDS),
        ),
    )
    keys = KeyWeights({f"k{i}": 1000.0 / (i + 1) ** 0.5 for i in range(2000)})
    profile = Profile(
        rate_per_s={"lines": 400.0},
        service_s={"lines": 20e-6, "parse": 500e-6, "count": 700e-6},
        key_weights={
            ("lines", "parse", "default"): keys,
            ("parse", "count", "default"): keys,
        },
    )
    return Workload("skewed", topology, roomy(instances // 8), profile)


@pytest.mark.parametrize("name", ["diamond-10", "dag2-100", "star-50", "ysb-1000"])
def test_pages_are_well_formed_and_stand_alone(name: str) -> None:
    analysis = analysed(name)
    html = analysis.html([Scenario(rate_factor=1.5), Scenario(container_count=3)])
    page = read(html)
    assert pictures(html)
    plan = analysis.plan
    assert f"{plan.container_count} containers with {plan.instance_count} instances" in page.text
    for candidate in analysis.decision.candidates:
        assert candidate.planner in page.text
    for sentence in (*analysis.decision.reasons, analysis.prediction.bottleneck):
        assert sentence in page.text
    for basis in analysis.decision.basis:
        assert basis.detail in page.text
    assert "rate x1.5" in page.text
    # Nothing is loaded and nothing runs.
    assert "script" not in page.tags
    assert not {"link", "img", "iframe", "object", "use", "image"} & set(page.tags)
    assert not {"src", "href", "xlink:href", "onclick", "onload"} & {k for k, _ in page.attributes}
    assert not re.search(r"https?:|//|@import|url\(", html)


def test_the_same_analysis_gives_the_same_bytes() -> None:
    one, other = (analysed("dag2-100").html([Scenario(rate_factor=2.0)]) for _ in range(2))
    assert one == other


def test_every_container_and_instance_of_a_small_plan_is_drawn() -> None:
    analysis = analysed("diamond-10")
    html = analysis.html()
    text = read(html).text
    for this in analysis.plan.container_ids.tolist():
        assert f"container {this}" in text
    for instance in analysis.plan.instances():
        assert f"{instance.component} {instance.component_index}" in text
    cells = [
        shape
        for svg in pictures(html)
        if (svg.get("aria-label") or "").startswith("container ")
        for shape in svg.iter("rect")
        if "cell" in (shape.get("class") or "").split() and shape.get("rx")
    ]
    assert len(cells) == 10


def test_boxes_hold_every_container_once_and_only_alike_ones_together() -> None:
    for analysis in (analysed("dag2-1000"), analyse(with_keys(400))):
        plan = analysis.plan
        figures = plan_figures(analysis.request, plan, analysis.prediction)
        found = boxes(plan, figures)
        at = [position for box in found for position in box.positions]
        assert sorted(at) == list(range(plan.container_count))
        assert sum(len(b.positions) * len(b.members) for b in found) == plan.instance_count
        for box in found:
            contents = plan.counts[:, list(box.positions)]
            assert (contents == contents[:, :1]).all()
            assert all(plan.container[i] == box.positions[0] for i in box.members)


def test_pages_for_2000_instances_stay_small_whatever_is_alike() -> None:
    analysis = analyse(with_keys(2000))
    html = analysis.html()
    page = read(html)
    found = boxes(analysis.plan, plan_figures(analysis.request, analysis.plan, analysis.prediction))
    assert sum(len(box.members) for box in found) > MOST_IN_DETAIL
    assert "2000 instances" in page.text
    assert "Letters: a = lines; b = parse; c = count" in page.text
    assert len(html.encode()) < LIMIT_BYTES
    assert len(analysed("dag3-5000").html().encode()) < LIMIT_BYTES


def test_2000_instances_of_which_no_two_containers_are_alike_stay_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.report.plan_picture.step", lambda value: hash(value) % len(CIVIDIS))
    html = analyse(with_keys(2000)).html()
    read(html)
    squares = sum(svg.get("aria-label", "").startswith("container ") for svg in pictures(html))
    assert squares > 200
    assert len(html.encode()) < LIMIT_BYTES


def hostile() -> Workload:
    names = (f"s{HOSTILE}", f"b{HOSTILE}")
    topology = Topology(
        HOSTILE,
        HOSTILE,
        (Component(names[0], Kind.SPOUT, 2), Component(names[1], Kind.BOLT, 3)),
        (Stream(*names, HOSTILE, Grouping.FIELDS),),
    )
    profile = Profile(rate_per_s={names[0]: 10.0}, service_s=dict.fromkeys(names, 1e-4))
    return Workload(HOSTILE, topology, roomy(2), profile)


def test_names_are_text_whatever_is_in_them() -> None:
    analysis = analyse(hostile())
    html = analysis.html([Scenario(name=HOSTILE, rate_factor=2.0)])
    page = read(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert page.text.count(HOSTILE) >= 5
    for svg in pictures(html):
        assert svg.find(".//script") is None


def test_a_planner_may_be_called_anything() -> None:
    analysis = analysed("diamond-10")
    named = replace(analysis.decision.chosen, planner=HOSTILE)
    page = read(analysis.with_candidate(named).html())
    assert HOSTILE in page.text
    assert "script" not in page.tags


def test_without_a_load_the_page_claims_nothing_of_it() -> None:
    workload = load_workload(TOPOLOGIES / "diamond-10.json")
    page = read(analyse(replace(workload, profile=Profile())).html())
    assert "As load rises" not in page.text
    assert "The load is not known" in page.text
    assert "requested CPU stands in" in page.text


def test_the_bottleneck_is_marked_where_it_is() -> None:
    analysis = analysed("diamond-10")
    figures = plan_figures(analysis.request, analysis.plan, analysis.prediction)
    plan = analysis.plan
    assert figures.hot_instance is not None
    name = plan.components[plan.component[figures.hot_instance]]
    index = plan.index[figures.hot_instance]
    assert analysis.prediction.bottleneck == f"thread of {name} instance {index}"
    assert figures.hot_container == plan.container[figures.hot_instance]
    assert figures.instance_utilisation is not None
    # At the load that it carries, the busiest thread is full.
    full = figures.instance_utilisation.max() * (analysis.prediction.sustainable_load_factor or 0)
    assert full == pytest.approx(1.0)
    hot = [
        shape
        for svg in pictures(analysis.html())
        for shape in svg.iter("rect")
        if "hot" in (shape.get("class") or "").split()
    ]
    assert len(hot) == 3  # container, instance, component


def test_flows_between_containers_sum_to_the_streams() -> None:
    analysis = analysed("dag2-100")
    figures = plan_figures(analysis.request, analysis.plan, analysis.prediction)
    assert figures.between is not None
    assert figures.between.sum() == pytest.approx(figures.stream_per_s.sum())
    remote = figures.between.sum() - np.trace(figures.between)
    assert remote == pytest.approx(analysis.prediction.cross_tuples_per_s)
    assert figures.stream_remote @ figures.stream_per_s == pytest.approx(remote)


def test_the_sweep_reaches_beyond_what_is_offered_and_carried() -> None:
    analysis = analysed("diamond-10")
    asked: list[str] = []
    sweep = load_sweep(analysis.request, analysis.plan, analysis.prediction, asked.append)
    assert sweep is not None
    assert len(asked) == len(sweep.factors)
    assert sweep.factors[0] < 1 < sweep.factors[-1]
    assert sweep.factors[-1] > sweep.sustainable
    carried = [o.prediction.sustainable_load_factor for o in sweep.outcomes]
    assert carried == pytest.approx((sweep.sustainable / sweep.factors).tolist(), rel=0.05)


def cells(html: str, heading: str) -> dict[str, str]:
    """A column of the table of candidates, by planner."""
    (found,) = [
        table
        for table in re.findall(r"<table>.*?</table>", html, flags=re.DOTALL)
        if ">planner</th>" in table
    ]
    names = re.findall(r"<th[^>]*>(.*?)</th>", found)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in found.split("<tr")[2:]]
    at = names.index(heading)
    return {row[1].removesuffix(" (chosen)"): row[at] for row in rows}


def shapes(html: str, class_: str) -> list[ElementTree.Element]:
    return [
        shape
        for svg in pictures(html)
        for shape in svg.iter()
        if class_ in (shape.get("class") or "").split()
    ]


def test_plans_that_nothing_beats_are_told_and_filled() -> None:
    analysis = analysed("wordcount-50")
    best = {c.planner for c in analysis.decision.pareto}
    assert 0 < len(best) < len(analysis.decision.candidates)
    html = analysis.html()
    assert {name for name, told in cells(html, "unbeaten").items() if told} == best
    # The chosen one is ringed once in each of the two plots.
    assert len(shapes(html, "ring")) == 2
    # Also where another plan takes the place of the chosen one.
    first = analysis.decision.candidates[0]
    told = cells(analysis.with_candidate(first).html(), "unbeaten")
    assert {name for name, said in told.items() if said} == best


def crowded_update(profile: Profile = BUSY) -> Analysis:
    """An update of a plan of which one container is full, and which moves can relieve."""
    request = crowded()
    workload = Workload(
        "crowded", request.topology, request.constraints, profile, running=request.current
    )
    return analyse(workload, Wanted(Goal("throughput")), update=Update({"b2": 5}))


def test_an_update_shows_what_more_moves_would_carry() -> None:
    analysis = crowded_update()
    (weighed,) = [c.repacked for c in analysis.decision.candidates if c.repacked is not None]
    html = analysis.html()
    page = read(html)
    assert "An update of what runs: b2 +1." in page.text
    assert "bolt × 5" in page.text
    assert weighed.reason in page.text
    steps = shapes(html, "step")
    assert len(steps) == len(weighed.curve) > 1
    taken = ["taken" in (step.get("class") or "") for step in steps]
    assert [i for i, it in enumerate(taken) if it] == [weighed.taken]
    # From left to right and upwards.
    places = [re.findall(r"[-\d.]+", step.get("d") or "")[:2] for step in steps]
    assert places == sorted(places, key=lambda place: float(place[0]))
    assert places == sorted(places, key=lambda place: -float(place[1]))
    restarts = {c.planner: c.restarts for c in analysis.decision.candidates if c.usable}
    told = cells(html, "restarts")
    assert {name: int(told[name]) for name in restarts} == restarts


def test_an_update_without_a_load_says_why_nobody_moves() -> None:
    html = crowded_update(Profile()).html()
    assert not shapes(html, "step")
    told = "no survivor moves: what more moves would gain is not known"
    assert f"Of search: {told}" in read(html).text


def test_a_pack_shows_no_moves() -> None:
    html = analysed("wordcount-50").html()
    assert not shapes(html, "step")
    assert "An update" not in html


def with_ram(**used_mib: float) -> Analysis:
    """Instances get 1 GiB, of which the JVM takes 192 MiB."""
    workload = load_workload(TOPOLOGIES / "wordcount-10.json")
    used = {name: mib * MIB for name, mib in used_mib.items()}
    constraints = replace(
        workload.constraints, component_ram_bytes=dict.fromkeys(workload.topology.names, GIB)
    )
    profile = replace(workload.profile, ram_bytes=used)
    return analyse(replace(workload, profile=profile, constraints=constraints))


def test_ram_that_does_not_do_is_drawn_beyond_what_there_is() -> None:
    analysis = with_ram(split=500.0, count=1100.0)
    html = analysis.html()
    short, enough = analysis.prediction.memory[::-1]
    assert (short.component, enough.component) == ("count", "split")
    text = read(html).text
    missing = describe_bytes(short.enough_bytes - short.granted_bytes)
    # In the table, and where the pointer rests.
    assert text.count(f"short by {missing}") == text.count("short by") == 2

    def right(shape: ElementTree.Element) -> float:
        return float(shape.get("x") or 0) + float(shape.get("width") or 0)

    granted, live = shapes(html, "ram"), shapes(html, "live")
    marks = [float((m.get("d") or "").split()[0][1:]) for m in shapes(html, "enough")]
    # Those that are short come first.
    assert [right(a) > right(b) for a, b in zip(live, granted, strict=True)] == [True, False]
    assert [m > right(b) for m, b in zip(marks, granted, strict=True)] == [True, False]
    # To scale.
    jvm = float(live[0].get("x") or 0) - float(granted[0].get("x") or 0)
    whole = float(granted[0].get("width") or 0)
    assert jvm / whole == pytest.approx(MIN_INSTANCE_RAM_BYTES / GIB, abs=0.01)


def test_ram_that_nobody_stated_is_not_shown() -> None:
    assert "Memory" not in read(analysed("wordcount-10").html()).text
    assert "Memory" in read(with_ram(count=300.0).html()).text


def test_what_limits_is_told_without_colour_too() -> None:
    small = analysed("wordcount-10")
    assert plan_figures(small.request, small.plan, small.prediction).hot_instance is not None
    texts = [text.text or "" for svg in pictures(small.html()) for text in svg.iter("text")]
    assert len([text for text in texts if text.endswith(", limits")]) == 1
    large = analyse(with_keys(2000))
    texts = [text.text or "" for svg in pictures(large.html()) for text in svg.iter("text")]
    assert len([text for text in texts if text.endswith("!")]) == 1


def test_a_page_can_be_put_into_another() -> None:
    frame = read(embedded('<p title="x">&amp;</p>'))
    assert frame.tags == ["iframe"]
    assert ("srcdoc", '<p title="x">&amp;</p>') in frame.attributes


def test_markup_escapes_all_but_markup() -> None:
    assert joined("<b>", Markup("<i>"), None) == "&lt;b&gt;<i>"
    assert element("p", "a<b", title='"&', class_="x") == (
        '<p title="&quot;&amp;" class="x">a&lt;b</p>'
    )


@given(st.sets(st.integers(1, 60), min_size=1))
def test_ranges_name_every_id_once(ids: set[int]) -> None:
    found: list[int] = []
    for part in ranges(sorted(ids)).split(", "):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(ids)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_marks_are_few_and_inside(low: float, width: float) -> None:
    marks = round_marks(low, low + width)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert 2 <= len(marks) <= 8
    assert all(low - slack <= mark <= low + width + slack for mark in marks)


@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e9))
def test_logarithmic_axes_have_marks_inside(low: float, ratio: float) -> None:
    axis = Axis(low, low * ratio, "", str, logarithmic=True)
    parts = [axis.part(mark) for mark in axis.marks()]
    assert parts == sorted(parts)
    assert axis.part(low) == 0
    assert axis.part(low * ratio) == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    kept = undominated(points)
    assert any(kept)
    for (cost, gain), front in zip(points, kept, strict=True):
        beaten = any((a < cost and b >= gain) or (a <= cost and b > gain) for a, b in points)
        assert front is not beaten


@settings(max_examples=50)
@given(st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=16)
    )
))  # fmt: skip
def test_layers_lead_forwards_but_along_loops(graph: tuple[int, list[tuple[int, int]]]) -> None:
    size, edges = graph
    layer, backwards = layers(size, edges)
    for (source, target), back in zip(edges, backwards, strict=True):
        if not back:
            assert layer[source] < layer[target]
    # Without the edges that lead back there is a layer for everything: no loop is left. A graph
    # without loops has no such edge.
    if all(source < target for source, target in edges):
        assert not any(backwards)


def test_colours_rise_in_lightness() -> None:
    def lightness(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    rising = [lightness(colour) for colour in CIVIDIS]
    assert rising == sorted(rising)
    assert [step(u) for u in (0.0, 0.05, 0.1, 0.5, 0.97, 0.98, 3.0)] == [0, 0, 1, 5, 9, 10, 10]


def test_a_file_that_cannot_be_read_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be read"):
        analyse(tmp_path / "none.json")
