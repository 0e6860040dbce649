"""How a forger edits the unpacked files of a bundle, and the list of forgeries by the check that is there for each."""

from bundle_tools import edit_json

from fairbench.evaluation.predictions import read_predictions, write_predictions
from fairbench.evaluation.summary import summarise

FORGERIES = {}


def forgery(check):
    def enter(edit):
        FORGERIES[edit.__name__] = (edit, check)
        return edit

    return enter


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def recount(members, name="pgd20", change=None):
    """Change the answers and make the record fit them."""
    predictions = read_predictions(members / "predictions.npz")
    column = predictions.by_condition[name].copy()
    change(column, predictions.labels)
    write_predictions(
        members / "predictions.npz", type(predictions)(predictions.labels, {**predictions.by_condition, name: column})
    )

    def edit(values):
        condition = values["conditions"][name]
        seen = column >= 0
        settings = condition["settings"] | {"images": int(seen.sum())}
        new = summarise(column[seen], predictions.labels[seen], 10, settings=settings, seconds=condition["seconds"])
        values["conditions"][name] = new.model_dump(mode="json")
        if values["last"]["weights_sha256"] == values["model"]["weights_sha256"]:
            values["last"]["conditions"][name] = values["conditions"][name]

    edit_json(members / "record.json", edit)


def in_record(edit):
    return lambda members: edit_json(members / "record.json", edit)


def in_both(edit):
    """Edit config.json and the copy of it in the record alike."""

    def everywhere(members):
        edit_json(members / "config.json", edit)
        edit_json(members / "record.json", lambda values: edit(values["training"]["config"]) and None)

    return everywhere


def set_condition(name, key, value):
    return in_record(lambda values: values["conditions"][name].update({key: value}))


def set_setting(name, key, value):
    def edit(values):
        for block in (values["conditions"], values["last"]["conditions"]):
            block[name]["settings"][key] = value

    return in_record(edit)
