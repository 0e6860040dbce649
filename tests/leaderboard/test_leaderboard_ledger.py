import numpy as np
import pytest
from pydantic import ValidationError
from synthetic import make_record, make_values

from fairbench.leaderboard.ledger import evaluations_by_method
from fairbench.leaderboard.ranking import rank
from fairbench.protocol.ledger import BoughtGain, SelectionLedger
from fairbench.protocol.masking import MaskingSign, MaskingVerdict
from fairbench.protocol.record import Record


def verdict(classes):
    counted = np.isin(np.arange(10), classes) * 20
    sign = MaskingSign(name="black_box", counted=counted.tolist(), images=[20] * 10, classes=classes)
    return MaskingVerdict(flagged=bool(classes), classes=classes, signs=[sign], settings={}, seconds=1.0)


def test_masked_rows_are_shown_without_a_rank_and_say_why():
    (entry,) = rank([make_record(masking=verdict([3, 4]))])
    assert entry.rank is None
    assert entry.reason.startswith("its gradients look masked: Square")
    assert "(three, four)" in entry.reason
    (entry,) = rank([make_record(masking=verdict([]))])
    assert entry.rank == 1
    one_seed = rank([make_record(seed=0, masking=verdict([])), make_record(seed=1, masking=verdict([2]))])
    assert one_seed[0].rank is None


def test_a_verdict_that_contradicts_its_signs_is_refused():
    values = verdict([3]).model_dump()
    with pytest.raises(ValidationError, match="do not follow from the signs"):
        MaskingVerdict.model_validate(values | {"flagged": False})


def test_a_choice_on_the_test_set_is_not_ranked_and_shows_what_it_bought():
    gain = BoughtGain(honest_epoch=3, average=-0.005, worst=0.023)
    ledger = SelectionLedger(selected_on="test", test_evaluations=12, gain=gain)
    (entry,) = rank([make_record(selected_on="test", ledger=ledger, protocol="modified", departures=["x"])])
    assert entry.rank is None
    assert "chosen on the test set, which bought +2.3 points of the worst class and -0.5 of the average" in entry.reason
    with pytest.raises(ValidationError, match="bought on the test set"):
        SelectionLedger(selected_on="select", test_evaluations=1, gain=gain)


def test_looks_at_the_test_images_are_counted_over_all_configurations_of_a_method():
    def record(method, seed, looks, **changes):
        ledger = SelectionLedger(selected_on="select", test_evaluations=looks)
        return Record.model_validate(make_values(method, seed=seed, ledger=ledger.model_dump(), **changes))

    records = [
        record("faal@trades?tau=0.3", 0, 2),
        record("faal+awp", 0, 2, protocol="modified"),
        record("faal", 1, 1),
        record("frl", 0, 7),
        make_record("old"),
    ]
    assert evaluations_by_method([*records, records[0]]) == {"faal": 5, "frl": 7, "old": 2}
