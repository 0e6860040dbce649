"""What a grid costs: priced once for all seeds, laid out on workers in order, measured without leaving a trace."""

import torch
from grids import hide_bases, quick_cells

from fairbench.data import load_dataset
from fairbench.launch import probe
from fairbench.launch.grid import jobs_of
from fairbench.launch.plan import plan_grid
from fairbench.launch.probe import Cost, Prober


def cost(seconds: float, **changes) -> Cost:
    size = {"weights_bytes": 10, "answers_bytes": 1}
    values = size | {"start": 1.0, "epoch": (seconds - 1.0) / 2, "epochs": 2, "conditions": {}, "last": {}}
    return Cost(**(values | changes))


def test_seeds_are_measured_once_and_what_is_done_costs_nothing(tmp_path):
    cells = quick_cells(tmp_path, "pgd_at", "trades", seeds=(0, 1, 2))
    cells[0].folder.mkdir(parents=True)
    (cells[0].folder / "record.json").write_text('{"conditions": {"clean": {}}}')
    measured = []

    def measure(job):
        measured.append(job.cell.written)
        return cost(10.0 if job.cell.written == "pgd_at" else 20.0)

    plan = plan_grid(jobs_of(cells), 2, measure)
    assert measured == ["pgd_at", "trades"]
    assert plan.device_seconds == 10 * 2 + 20 * 3
    # 10 and 10 side by side, then 20 and 20, then 20 alone.
    assert plan.wall_seconds == 10 + 20 + 20
    assert plan.disk_bytes == 50


def test_dependants_wait_in_the_plan_too(tmp_path, monkeypatch):
    hide_bases(monkeypatch)
    jobs = jobs_of(quick_cells(tmp_path, "faal", "cfa", train_bases=True))
    plan = plan_grid(jobs, 4, lambda job: cost(10.0, conditions={"clean": 5.0}))
    assert plan.device_seconds == 10 + 15 + 15  # nobody evaluates the base
    assert plan.wall_seconds == 10 + 15


def test_a_cost_is_the_sum_of_its_parts():
    by_condition = {"clean": 1.0, "pgd20": 5.0}
    whole = cost(9.0, start=2.0, epoch=3.0, epochs=4, conditions=by_condition, last={"clean": 0.5, "pgd20": 5.5})
    assert (whole.training, whole.evaluation, whole.seconds, whole.disk_bytes) == (14.0, 12.0, 26.0, 12)
    left = whole.left(trained=True, evaluated=["clean"])
    assert (left.training, left.evaluation, left.disk_bytes) == (0.0, 10.5, 1)
    assert whole.left(trained=False, evaluated=[]) == whole


def test_a_probe_measures_every_part_and_leaves_nothing(tmp_path):
    (cell,) = quick_cells(tmp_path, "trades", overrides={"conditions": "[clean, pgd20]", "epochs": "7"})
    found = Prober(torch.device("cpu")).probe(cell, load_dataset("digits"))
    assert found.epochs == 7
    assert found.epoch > 0
    assert set(found.conditions) == {"clean", "pgd20"}
    assert found.conditions["pgd20"] > found.conditions["clean"] > 0
    assert found.disk_bytes > 2 * 4 * 1000
    assert not list(tmp_path.iterdir())


def test_a_base_as_it_is_needs_no_training(tmp_path):
    (cell,) = quick_cells(tmp_path, "base:pgd_at")
    found = Prober(torch.device("cpu")).probe(cell, load_dataset("digits"))
    assert (found.training, found.last) == (0.0, {})
    assert found.evaluation > 0


def test_a_battery_that_cells_share_is_measured_once(tmp_path, monkeypatch):
    asked = []

    def counted(*args, **kwargs):
        asked.append(kwargs["attacks"])
        return evaluate(*args, **kwargs)

    evaluate = probe.evaluate
    monkeypatch.setattr(probe, "evaluate", counted)
    prober, data = Prober(torch.device("cpu")), load_dataset("digits")
    first, second = (
        prober.probe(cell, data)
        for name in ("trades", "pgd_at")
        for cell in quick_cells(tmp_path, name, overrides={"conditions": "[clean, fgsm]"})
    )
    assert first.conditions == second.conditions
    (other,) = quick_cells(tmp_path, "pgd_at", overrides={"conditions": "[clean, fgsm, pgd20]"})
    assert set(prober.probe(other, data).conditions) == {"clean", "fgsm", "pgd20"}
    assert len(asked) == 2
