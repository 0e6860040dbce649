"""Forgeries of what a bundle says: record, configuration, card, and files that are something else."""

import json
import pickle
import shutil

import numpy as np
import torch
from bundle_tools import edit_json
from forgery_tools import Payload, forgery, in_both, in_record, set_condition, set_setting


@forgery("record")
def a_rate_is_raised(members):
    set_condition("pgd20", "average", 0.99)(members)


@forgery("record")
def the_worst_class_is_another(members):
    edit_json(
        members / "record.json", lambda v: v["conditions"]["pgd20"].update(worst=v["conditions"]["pgd20"]["balanced"])
    )


@forgery("record")
def an_unknown_key(members):
    in_record(lambda values: values.update(verified=True))(members)


@forgery("record")
def a_record_from_the_future(members):
    in_record(lambda values: values.update(schema_version=2))(members)


@forgery("record")
def a_protocol_from_the_future(members):
    in_record(lambda values: values.update(protocol_version=2))(members)


@forgery("record")
def a_key_twice(members):
    text = (members / "record.json").read_text("utf-8")
    (members / "record.json").write_text(text.replace("{", '{\n "epsilon": 0.001,', 1), "utf-8")


@forgery("record")
def not_a_number(members):
    text = (members / "record.json").read_text("utf-8")
    (members / "record.json").write_text(text.replace('"epsilon": 0.2', '"epsilon": NaN', 1), "utf-8")


@forgery("record")
def a_record_ten_thousand_lists_deep(members):
    (members / "record.json").write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "utf-8")


@forgery("record")
def a_record_laid_out_otherwise(members):
    path = members / "record.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())), "utf-8")


@forgery("contents")
def an_archive_instead_of_a_record(members):
    shutil.copyfile(members / "predictions.npz", members / "record.json")


@forgery("contents")
def a_record_that_is_no_text(members):
    (members / "record.json").write_bytes(b'{"a": "\xff\xfe"}')


@forgery("contents")
def a_pickle_instead_of_weights(members):
    (members / "model.safetensors").write_bytes(pickle.dumps(Payload(members.parent / "mark")))


@forgery("contents")
def a_torch_file_instead_of_weights(members):
    torch.save({"weight": Payload(members.parent / "mark")}, members / "model.safetensors")


@forgery("contents")
def a_pickle_among_the_answers(members):
    np.savez(members / "predictions.npz", labels=np.array([Payload(members.parent / "mark")], dtype=object))


@forgery("contents")
def an_array_larger_than_the_memory(members):
    content = (members / "predictions.npz").read_bytes()
    assert b"(450,), }     " in content
    (members / "predictions.npz").write_bytes(content.replace(b"(450,), }     ", b"(45000000,), }", 1))


@forgery("contents")
def compressed_arrays(members):
    np.savez_compressed(members / "predictions.npz", labels=np.zeros(10**6, dtype=np.int16))


@forgery("card")
def a_card_that_grows(members):
    lines = ["a: &a [x, x]"] + [f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    (members / "card.yaml").write_text("\n".join(lines), "utf-8")


@forgery("card")
def a_card_that_calls_python(members):
    (members / "card.yaml").write_text("!!python/object/apply:os.system ['touch mark']\n", "utf-8")


@forgery("card")
def a_card_without_data(members):
    text = (members / "card.yaml").read_text("utf-8")
    (members / "card.yaml").write_text(text.replace("data:", "date:"), "utf-8")


@forgery("config")
def the_card_of_another_method(members):
    text = (members / "card.yaml").read_text("utf-8")
    (members / "card.yaml").write_text(text.replace("method: pgd_at", "method: faal"), "utf-8")


@forgery("config")
def a_smaller_radius_in_the_record(members):
    in_record(lambda values: values.update(epsilon=0.01))(members)


@forgery("config")
def another_seed(members):
    in_record(lambda values: values.update(seed=4))(members)


@forgery("config")
def another_configuration(members):
    edit_json(members / "config.json", lambda values: values.update(objective="trades"))


@forgery("config")
def fewer_departures(members):
    in_record(lambda values: values.update(departures=values["departures"][1:]))(members)


@forgery("protocol")
def a_run_that_says_it_is_standard(members):
    in_both(lambda config: config.update(departures=[]) or True)(members)
    in_record(lambda values: values.update(protocol="standard", departures=[]))(members)


@forgery("protocol")
def modified_for_no_reason(members):
    in_both(lambda config: config.update(departures=[]) or True)(members)
    in_record(lambda values: values.update(departures=[]))(members)


@forgery("protocol")
def a_weaker_attack(members):
    set_setting("pgd20", "steps", 1)(members)


@forgery("protocol")
def a_smaller_step(members):
    set_setting("pgd20", "step_size", 1e-9)(members)


@forgery("protocol")
def another_noise(members):
    set_setting("pgd20", "seed", 3)(members)


@forgery("protocol")
def a_condition_is_left_out(members):
    in_record(lambda values: values["conditions"].pop("pgd20") and None)(members)
