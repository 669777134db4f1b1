"""A report in a browser: it renders, and answers to mouse, fingers and keys."""

import re
import time
from collections.abc import Callable

import numpy as np
import pytest

from tests.log.chromium import PATH, SILENT, open_page
from tntjax.log import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PATH is None, reason="there is no Chromium: apt-get install chromium"
    ),
]

PLOT = "document.querySelectorAll('.plot')[{number}]"
T = np.arange(1, 201)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page of two runs, of which one is of members."""
    run = {"epoch": T // 20, "t": T, "samples": 32 * T, "loss": 2.0 / T, "error": T / 2}
    run["validate.loss"] = [3.0 / t if t % 50 == 0 else None for t in T]
    run["recall"] = np.stack([T / 200, 1 - T / 200], -1)
    run["m"] = [np.eye(12) * 5 + 1] * 200
    runs = {"<b>first</b>": run, "second": {**run, "loss": 4.0 / T}}
    folder = tmp_path_factory.mktemp("report")
    return report(folder / "out.html", runs, config={"text": "x" * 300, "lr": 0.1})


@pytest.fixture
def opened(page, file):
    page.complaints.clear()
    page.look()
    page.open(file)
    return page


def plot(number: int) -> str:
    return PLOT.format(number=number)


def values(page, number: int) -> dict[str, str]:
    """What the legend of a plot says."""
    script = f"[...{plot(number)}.querySelectorAll('.legend li')].map(e => e.innerText)"
    return dict(re.split(r"\s*\n\s*", text) for text in page.run(script))


def place(page, number: int, share: float, height: float = 0.5) -> tuple[float, float]:
    """A place in a plot: shares of its width and height from the lower left."""
    script = f"""(() => {{
      const over = {plot(number)}.querySelector('.u-over');
      over.scrollIntoView({{block: 'center'}});
      const box = over.getBoundingClientRect();
      return [box.left + {share} * box.width, box.bottom - {height} * box.height];
    }})()"""
    x, y = page.run(script)
    return x, y


def until(condition: Callable[[], bool]) -> None:
    """Looks again and again, as a browser draws when it has time."""
    end = time.monotonic() + SILENT
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def ticks(page) -> str:
    """What is drawn, as a picture in text: of the first plot."""
    return page.run(f"{plot(0)}.querySelector('canvas').toDataURL()")


def at(page, number: int = 0) -> str:
    """Where the cursor is, as a plot says."""
    return page.run(f"{plot(number)}.querySelector('.at').textContent")


def shown_at(page, number: int = 0) -> float:
    until(lambda: at(page, number))
    return float(at(page, number).split()[1].replace(",", ""))


def test_it_renders_without_complaints_and_requests(opened, file):
    assert opened.complaints == []
    assert opened.requests == [file.as_uri()]
    assert opened.run("document.querySelectorAll('.plot canvas').length") == 3
    assert opened.run("document.querySelectorAll('b').length") == 0
    drawn = f"""(() => {{
      const canvas = {plot(0)}.querySelector('canvas');
      const {{data}} = canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height);
      const found = new Set();
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255) found.add(`${{data.slice(i, i + 3)}}`);
      return [...found];
    }})()"""
    assert {"0,104,179", "201,72,10"} <= set(opened.run(drawn))  # a colour each run


def test_without_a_pointer_the_last_values_are_there(opened):
    assert values(opened, 0) == {
        "<b>first</b>, loss": "0.01",
        "second, loss": "0.02",
        "<b>first</b>, validate.loss": "0.015",
        "second, validate.loss": "0.015",
    }


def test_under_the_pointer_all_plots_tell_their_values(opened):
    opened.mouse("Moved", *place(opened, 0, 0.25))
    t = shown_at(opened)
    assert 40 <= t <= 60
    told = values(opened, 0)
    assert float(told["<b>first</b>, loss"]) == pytest.approx(2 / t, rel=1e-3)
    assert float(told["second, loss"]) == pytest.approx(4 / t, rel=1e-3)
    assert shown_at(opened, 1) == t
    assert float(values(opened, 1)["second"]) == t / 2


def test_a_curve_with_few_points_tells_its_value_before(opened):
    opened.mouse("Moved", *place(opened, 0, 0.65))
    assert 100 < shown_at(opened) < 150
    assert values(opened, 0)["second, validate.loss"] == "0.03"


def test_dragging_zooms_all_plots_and_a_double_click_shows_all(opened):
    before = ticks(opened)
    x, y = place(opened, 1, 0.25)
    opened.mouse("Moved", x, y)
    opened.mouse("Pressed", x, y)
    opened.mouse("Moved", x + 50, y)
    opened.mouse("Released", x + 50, y)
    until(lambda: ticks(opened) != before)
    opened.mouse("Moved", *place(opened, 0, 0.01))
    until(lambda: at(opened) and 45 <= shown_at(opened) <= 60)
    for clicks in (1, 2):
        opened.mouse("Pressed", x, y, clicks)
        opened.mouse("Released", x, y, clicks)
    opened.mouse("Moved", 1, 1)
    until(lambda: ticks(opened) == before)


def test_keys_move_the_cursor_and_zoom(opened):
    before = ticks(opened)
    opened.run(f"{plot(0)}.querySelector('.chart').focus()")
    opened.key("ArrowRight")
    opened.key("ArrowRight")
    until(lambda: at(opened) == "t 2")
    opened.key("ArrowLeft")
    until(lambda: at(opened) == "t 1")
    opened.key("+", "+")
    until(lambda: ticks(opened) != before)
    opened.key("Escape")
    until(lambda: ticks(opened) == before)


def test_a_logarithmic_scale(opened):
    before = ticks(opened)
    pressed = f"{plot(0)}.querySelector('.switch').getAttribute('aria-pressed')"
    assert opened.run(pressed) == "false"
    opened.run(f"{plot(0)}.querySelector('.switch').click()")
    assert opened.run(pressed) == "true"
    until(lambda: ticks(opened) != before)
    opened.run(f"{plot(0)}.querySelector('.switch').click()")
    until(lambda: ticks(opened) == before)
    assert opened.complaints == []


def test_another_x_axis(opened):
    opened.run(
        "(e => { e.value = 1; e.dispatchEvent(new Event('change')) })"
        "(document.querySelector('#axis'))"
    )
    opened.mouse("Moved", *place(opened, 0, 0.5))
    until(lambda: at(opened) == "samples 3,200")


def test_the_legend_hides_a_curve(opened):
    before = ticks(opened)
    opened.run(f"{plot(0)}.querySelector('.legend button').click()")
    until(lambda: ticks(opened) != before)
    pressed = f"{plot(0)}.querySelector('.legend button').getAttribute('aria-pressed')"
    assert opened.run(pressed) == "false"


def test_the_nearest_of_a_family_is_named(opened):
    opened.mouse("Moved", *place(opened, 2, 0.75, 0.75))
    opened.mouse("Moved", *place(opened, 2, 0.75, 0.72))
    until(lambda: "entry 0: 0.7" in str(values(opened, 2)))
    assert list(values(opened, 2)) == [
        "<b>first</b> (median of 2)",
        "second (median of 2)",
    ]


def test_on_a_phone_nothing_scrolls_sideways_and_fingers_zoom(opened, file):
    opened.look(width=390, height=800, phone=True)
    opened.open(file)
    assert opened.run("document.documentElement.scrollWidth") == 390
    assert opened.run("document.querySelectorAll('canvas').length") == 3
    before = ticks(opened)
    left, y = place(opened, 0, 0.3)
    right, _ = place(opened, 0, 0.6)
    opened.touch("Start", (left, y))
    assert 50 <= shown_at(opened) <= 70
    opened.touch("Start", (left, y), (right, y))
    opened.touch("Move", (left - 40, y), (right + 40, y))
    opened.touch("End")
    until(lambda: ticks(opened) != before)
    for _ in range(2):  # a double tap
        opened.touch("Start", (left, y))
        opened.touch("End")
    until(lambda: opened.run("document.querySelector('.controls button').hidden"))
    assert opened.complaints == []


def test_in_the_dark_it_is_dark(opened, file):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(ground), ticks(opened)
    assert light[0] == "rgb(246, 247, 249)"
    opened.look(dark=True)  # without a reload, as in the evening
    assert opened.run(ground) == "rgb(15, 18, 22)"
    until(lambda: ticks(opened) != light[1])


def test_text_can_be_told_from_what_is_behind_it(opened):
    contrast = """(() => {
      const numbers = text => text.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const behind = element => {
        const colours = [];
        for (; element; element = element.parentElement)
          colours.unshift(numbers(getComputedStyle(element).backgroundColor));
        return colours.reduce((under, [r, g, b, a = 1]) =>
          [r, g, b].map((v, i) => a * v + (1 - a) * under[i]), [255, 255, 255]);
      };
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      let least = 99;
      while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.offsetWidth) continue;
        const both = [numbers(getComputedStyle(element).color), behind(element)]
          .map(light).sort((a, b) => b - a);
        least = Math.min(least, (both[0] + 0.05) / (both[1] + 0.05));
      }
      return least;
    })()"""
    opened.look()
    assert opened.run(contrast) >= 4.5
    opened.look(dark=True)
    assert opened.run(contrast) >= 4.5


def test_it_prints(opened, tmp_path):
    opened.print(tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert opened.complaints == []


def test_a_page_of_one_row_and_one_without_curves(page, tmp_path):
    page.complaints.clear()
    for run in (
        {"t": [5], "loss": [0.5]},
        {"note": ["a"]},
        {"loss": [float("nan")] * 3},
    ):
        page.open(report(tmp_path / "out.html", run))
    assert page.complaints == []
