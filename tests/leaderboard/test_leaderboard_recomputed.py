"""Every number of the table follows from the answers to single images, without any difference."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_record

from fairbench.evaluation.predictions import Predictions, read_predictions, write_predictions
from fairbench.evaluation.records import read_record, write_record
from fairbench.evaluation.summary import summarise
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.records import Run
from fairbench.leaderboard.results import tabulate
from fairbench.leaderboard.summary import class_summaries
from fairbench.leaderboard.summary import summarise as summarise_entry
from fairbench.metrics import METRICS, confusion_matrix

AGGREGATES = ("average", "balanced", "worst", "worst_tenth", "overall")


@st.composite
def answers(draw):
    """Labels of an imbalanced test set with every class, and answers with at least one error."""
    num_classes = draw(st.integers(2, 12))
    sizes = draw(st.lists(st.integers(1, 30), min_size=num_classes, max_size=num_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.permutation(np.repeat(np.arange(num_classes), sizes)).astype(np.int16)
    predicted = np.where(
        rng.random(len(labels)) < draw(st.floats(0, 1)), labels, rng.integers(0, num_classes, len(labels))
    )
    predicted[0] = (labels[0] + 1) % num_classes
    return labels, predicted.astype(np.int16), num_classes


@settings(max_examples=25, deadline=None)
@given(case=answers())
def test_recomputed_from_the_stored_answers_every_number_is_the_same(tmp_path_factory, case):
    labels, predicted, num_classes = case
    folder = tmp_path_factory.mktemp("run")
    classes = [f"class {c}" for c in range(num_classes)]
    condition = summarise(predicted, labels, num_classes, settings={}, seconds=1.0)
    record = make_record(classes=classes, conditions=(), last=None).model_copy(update={"conditions": {"aa": condition}})
    write_predictions(folder / "predictions.npz", Predictions(labels, {"aa": predicted}))
    path = write_record(record, folder)
    stored = read_predictions(folder)
    confusion = confusion_matrix(stored.by_condition["aa"], stored.labels, num_classes)
    table = tabulate([Run(path=path, record=read_record(path))])
    (entry,) = rank([read_record(path)])
    for name in AGGREGATES:
        value = METRICS[name].of_confusion(confusion)
        assert table.loc[table["metric"] == name, "value"].item() == value
        assert summarise_entry(entry, "aa", name).value == value
    for column, metric in (("accuracy", "class_accuracy"), ("c_fps", "class_false_positive_score")):
        values = METRICS[metric].of_confusion(confusion)
        np.testing.assert_array_equal(table.loc[table["metric"] == column, "value"], values)
        np.testing.assert_array_equal([one.value for one in class_summaries(entry, "aa", column)], values)
