"""Published beside measured: matched by method, start, network and data, each number as it was printed."""

from parsed_page import Page
from synthetic import make_record, make_values, write_values

from fairbench.leaderboard.ranking import rank
from fairbench.reference.tables import published_rows
from fairbench.report.published import comparisons
from fairbench.report.render import write_report

CONDITIONS = ("clean", "pgd20", "cw20", "aa")


def values_like(method="faal", *, data="cifar10", architecture="prn18", init="pgd_at"):
    values = make_values(method, conditions=CONDITIONS, init=init, track="cifar10-prn18-ft", epsilon=8 / 255)
    values["data"] |= {"name": data, "image_shape": [3, 32, 32]}
    values["model"] |= {"architecture": architecture}
    return values


def entry_like(*args, **changes):
    return rank([type(make_record()).model_validate(values_like(*args, **changes))])[0]


def printed(paper, table, **wanted):
    return [
        row
        for row in published_rows(paper, table)
        if all(getattr(row, name) == value for name, value in wanted.items())
    ]


def test_numbers_are_those_of_the_print_and_the_record():
    (row,) = printed("faal", "S2", written_form="faal", start="pgd_at", model="prn18", dataset="cifar10")
    entry = entry_like()
    found = {(one.condition, one.metric): one for one in comparisons(entry)}
    short = {"average": "avg", "worst": "worst"}
    assert len(found) >= 4
    for (condition, metric), one in found.items():
        measured = getattr(entry.record.conditions[condition], metric)
        assert one.measured == measured
        if one.source == "FAAL, Table S2":
            assert 100 * one.published == row.cells[condition, short[metric]].percent
        assert one.difference == measured - one.published


def test_only_the_same_method_start_network_and_data_are_compared():
    assert comparisons(entry_like("faal", data="cifar10_jpeg"))
    assert not comparisons(entry_like("faal", architecture="rn18", init="pgd_at"))
    assert not comparisons(entry_like("faal", data="fmnist"))
    assert not comparisons(entry_like("faal", init="natural"))
    assert not comparisons(entry_like("faal?tau=0.123"))


def test_the_page_shows_the_print_on_hover_and_in_a_table(tmp_path):
    write_values(tmp_path / "records", values_like())
    page = Page(write_report(tmp_path / "records", tmp_path / "out", "cifar10-prn18-ft"))
    entry = entry_like()
    found = comparisons(entry)
    table = next(table for table in page.tables if [cell.text for cell in table.rows[0]][-1] == "difference")
    shown = [[float(cell.attributes["data-value"]) for cell in row[3:]] for row in table.rows[1:]]
    assert shown == [[one.published, one.measured, one.difference] for one in found]
    titles = [cell.attributes.get("title", "") for cell in page.table("g0-standings").by_method()["faal"]]
    assert sum("published" in title for title in titles) == len({(one.condition, one.metric) for one in found})
