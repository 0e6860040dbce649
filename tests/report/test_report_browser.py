"""The page in a browser: sorting, searching, columns, addresses, keyboard, and silence towards everything outside."""

import time

import pytest
from browser import chromium, open_page
from hostile_records import HOSTILE, hostile_values
from synthetic import GARMENTS, make_values, write_values

from fairbench.report.render import write_report

METHODS = ("pgd_at", "faal", "faal@trades", "frl", "cfa", "wat")
FEW = ("clean", "pgd20", "aa")
OTHER_WINDOWS = (("dark", 390), ("light", 820), ("dark", 820), ("light", 1400), ("light", 2400))


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    for name in METHODS:
        write_values(folder / "records", make_values(name, classes=GARMENTS, conditions=FEW, per_class=100))
    write_values(folder / "records", make_values("dafa", classes=GARMENTS, conditions=FEW, selected_on="test"))
    return write_report(folder / "records", folder / "out", "digits")


@pytest.fixture
def sheet(browser, board):
    opened = open_page(browser, board)
    yield opened
    # Whatever a test did, the page asked for nothing but itself and had nothing to complain about.
    assert {url.partition("#")[0] for url in opened.requests} == {board.as_uri()}
    assert opened.complaints == []
    opened.tab.context.close()


def test_a_click_sorts_and_another_one_turns_the_order(sheet):
    head = sheet.tab.locator('#g0-standings th[data-column="clean.average"] button')
    head.click()
    assert sheet.column("clean.average")[:-1] == sorted(sheet.column("clean.average")[:-1], reverse=True)
    head.click()
    assert sheet.column("clean.average")[:-1] == sorted(sheet.column("clean.average")[:-1])
    assert sheet.tab.locator('th[aria-sort="ascending"]').count() == 1
    assert sheet.methods()[-1] == "dafa"  # what is not ranked stays below


def test_search_takes_words_and_bounds(sheet):
    find = sheet.tab.locator("input[name=find]")
    find.fill("FAAL")
    assert sorted(sheet.methods()) == ["faal", "faal@trades"]
    assert sheet.tab.locator("[role=status]").text_content() == "2 of 7 rows"
    find.fill("")
    values = sorted(sheet.column("aa.worst"))
    bound = round(100 * (values[2] + values[3]) / 2, 3)
    find.fill(f"aa.worst>{bound}")
    above = [value for value in values if 100 * value > bound]
    assert 0 < len(above) < len(values)
    assert sorted(sheet.column("aa.worst")) == above


def test_rows_of_a_kind(sheet):
    sheet.tab.locator("select[name=show]").select_option("ranked")
    assert "dafa" not in sheet.methods()
    assert not sheet.tab.locator(".divider").is_visible()
    sheet.tab.locator("select[name=show]").select_option("flagged")
    assert sheet.methods() == ["dafa"]


def test_columns_can_be_left_out(sheet):
    tab = sheet.tab
    width = tab.locator("#g0-standings").evaluate("table => table.scrollWidth")
    tab.locator(".tools summary").click()
    for name in ("clean", "interval"):
        tab.locator(f'input[name=column][value="{name}"]').uncheck()
    assert not tab.locator('#g0-standings th[data-column="clean.average"]').is_visible()
    assert not tab.locator("#g0-standings td small").first.is_visible()
    visible = tab.eval_on_selector_all(
        "#g0-standings tbody:first-of-type tr:first-child > :not([hidden])", "all => all.length"
    )
    assert visible == 2 + 2 * (len(FEW) - 1) + 2
    tab.locator('input[name=column][value="clean"]').check()
    assert tab.locator('#g0-standings th[data-column="clean.average"]').is_visible()
    assert width > 0


def test_a_copied_address_shows_the_same_view(browser, board, sheet):
    tab = sheet.tab
    tab.locator('#g0-standings th[data-column="pgd20.worst"] button').click()
    tab.locator("input[name=find]").fill("a")
    tab.locator(".tools summary").click()
    tab.locator('input[name=column][value="time"]').uncheck()
    fragment = tab.evaluate("location.hash")
    other = open_page(browser, board, fragment=fragment)
    assert other.methods() == sheet.methods()
    assert other.column("pgd20.worst") == sheet.column("pgd20.worst")
    assert not other.tab.locator('th[data-column="time"]').is_visible()
    assert other.tab.locator("input[name=find]").input_value() == "a"
    assert other.complaints == []


def test_a_strange_address_does_no_harm(browser, board):
    strange = "#g0-standings.sort=nonsense.ascending&g0-standings.show=%3Cimg%3E&x=%3Cscript%3E&g0-standings.hide=,,"
    opened = open_page(browser, board, fragment=strange)
    assert len(opened.methods()) == len(METHODS) + 1
    assert opened.complaints == []


def test_the_keyboard_reaches_everything(sheet):
    tab = sheet.tab
    seen = []
    for _ in range(12):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.name || document.activeElement.tagName"))
    assert {"find", "show", "SUMMARY", "BUTTON"} <= set(seen)
    tab.locator('#g0-standings th[data-column="aa.average"] button').focus()
    tab.keyboard.press("Enter")
    assert tab.locator('#g0-standings th[data-column="aa.average"]').get_attribute("aria-sort") == "descending"


def test_the_page_reads_without_its_script(browser, board):
    opened = open_page(browser, board, java_script_enabled=False)
    assert not opened.tab.locator(".tools").is_visible()
    assert opened.tab.locator("#g0-standings tbody tr").count() == len(METHODS) + 2
    assert opened.tab.locator("#g0-standings td[data-value]").first.is_visible()


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 390),
        ("dark", 1400),
        *(pytest.param(theme, width, marks=pytest.mark.prove) for theme, width in OTHER_WINDOWS),
    ],
)
def test_nothing_is_wider_than_the_window(browser, board, tmp_path, theme, width):
    opened = open_page(browser, board, color_scheme=theme, viewport={"width": width, "height": 900})
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= width
    picture = tmp_path / f"{theme}.png"
    opened.tab.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 20_000
    paper = opened.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(252, 251, 249)" if theme == "light" else "rgb(21, 23, 26)")


def test_run_pages_are_silent_and_sort(browser, board):
    path = next((board.parent / "runs").glob("faal-seed0-*.html"))
    opened = open_page(browser, path)
    head = opened.tab.locator("#t0-accuracy thead th").nth(1).locator("button")
    head.click()
    script = "all => all.map((cell) => parseFloat(cell.textContent))"
    cells = opened.tab.eval_on_selector_all("#t0-accuracy tbody td:nth-child(2)", script)
    assert cells == sorted(cells, reverse=True)
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []


@pytest.mark.prove
def test_no_hostile_text_runs_in_a_browser(browser, tmp_path):
    for index, text in enumerate(HOSTILE):
        values = hostile_values(text, classes=HOSTILE[:20], init="scratch")
        values["data"]["name"] = "digits"
        write_values(tmp_path / "records", values, cell=f"cell{index}")
    page = write_report(tmp_path / "records", tmp_path / "out", "digits")
    for path in (page, *sorted((page.parent / "runs").glob("*.html"))):
        opened = open_page(browser, path)
        assert opened.requests == [path.as_uri()]
        assert opened.complaints == []
        opened.tab.context.close()
    opened = open_page(browser, page)
    for box in opened.tab.locator("input[name=column]").all():
        box.evaluate("box => box.click()")
    assert opened.complaints == []


@pytest.mark.prove
def test_a_hundred_methods_of_a_hundred_classes_are_quick_to_use(browser, tmp_path):
    classes = [f"class {c}" for c in range(100)]
    kinds = ("gaussian_noise", "fog", "brightness", "pixelate", "snow")
    single = [f"corruptions.{kind}.{severity}" for kind in kinds for severity in range(1, 6)]
    for index in range(100):
        conditions = (*FEW, "fgsm", "square", *single)
        write_values(tmp_path / "records", make_values(f"method_{index}", classes=classes, conditions=conditions))
    start = time.process_time()  # what other programs take of the machine is not the page's
    page = write_report(tmp_path / "records", tmp_path / "out", "digits")
    assert time.process_time() - start < 10
    assert page.stat().st_size < 3_000_000
    ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    opened, *others = [open_page(browser, page) for _ in range(3)]
    assert min(one.tab.evaluate(ready) for one in (opened, *others)) < 1000
    script = """() => {
        const start = performance.now();
        document.querySelector('#g0-standings th[data-column="aa.average"] button').click();
        document.body.getBoundingClientRect();
        return performance.now() - start;
    }"""
    assert opened.tab.evaluate(script) < 1000
    assert opened.complaints == []
