"""The written form: what is read is what was written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairbench.errors import UsageError
from fairbench.written_form import WrittenForm, parse_written_form, split_written_forms

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
keys = st.from_regex(r"([a-z][a-z0-9_]{0,5}\.)?[a-z][a-z0-9_]{0,5}", fullmatch=True)
values = st.from_regex(r"[A-Za-z0-9_.:/+-]{1,8}", fullmatch=True)
forms = st.builds(
    WrittenForm,
    method=names,
    objective=st.none() | names,
    modifiers=st.lists(names, max_size=3, unique=True).map(tuple),
    options=st.dictionaries(keys, values, max_size=3),
)


@given(forms)
def test_what_is_read_is_what_was_written(form):
    assert parse_written_form(str(form)) == form
    assert parse_written_form(f"  {form}\t") == form


@given(st.lists(forms, min_size=1, max_size=4))
def test_a_list_of_forms_is_split_at_its_commas_each_once_in_order(several):
    texts = [str(form) for form in several]
    assert split_written_forms(" , ".join(texts)) == list(dict.fromkeys(texts))


def test_options_are_written_in_the_order_of_their_names():
    assert str(parse_written_form("m?b=1&a=2&a.c=3")) == "m?a=2&a.c=3&b=1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Faal",
        "1a",
        "faal@",
        "faal@at@trades",
        "faal+",
        "faal++ema",
        "+ema",
        "faal?",
        "faal at",
        "faal+ema@at",
        "faal?\n",
        "../faal",
    ],
)
def test_what_does_not_follow_the_grammar_is_refused(text):
    with pytest.raises(UsageError, match=re.escape("the form is method[@objective][+modifier...]")) as error:
        parse_written_form(text)
    assert error.value.exit_code == 2
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("pair", ["tau", "=1", "tau=", "tau==1", "Tau=1", "a.b.c=1", "", "tau=1?b=2"])
def test_a_broken_option_is_named(pair):
    with pytest.raises(UsageError, match=re.escape(f"cannot read the option {pair!r} of 'faal?x=1&{pair}'")):
        parse_written_form(f"faal?x=1&{pair}")


def test_what_comes_twice_is_refused():
    with pytest.raises(UsageError, match="'faal\\+ema\\+awp\\+ema' names a modifier twice"):
        parse_written_form("faal+ema+awp+ema")
    with pytest.raises(UsageError, match="sets the option 'tau' twice"):
        parse_written_form("faal?tau=1&tau=2")


@pytest.mark.parametrize("text", ["", "faal,", ",faal", "faal,,cfa", " , "])
def test_an_empty_place_in_a_list_is_refused(text):
    with pytest.raises(UsageError, match="has an empty place"):
        split_written_forms(text)


def test_braces_make_a_grid():
    assert split_written_forms("cfa, faal?tau={0,0.25}&divergence={kl, reverse_kl}") == [
        "cfa",
        "faal?tau=0&divergence=kl",
        "faal?tau=0&divergence=reverse_kl",
        "faal?tau=0.25&divergence=kl",
        "faal?tau=0.25&divergence=reverse_kl",
    ]
    assert split_written_forms("{faal,cfa}@trades") == ["faal@trades", "cfa@trades"]


@pytest.mark.parametrize("text", ["faal?tau={0,}", "faal?tau={}", "cfa,faal?tau={ ,1}"])
def test_an_empty_place_in_a_grid_is_refused(text):
    with pytest.raises(UsageError, match="has an empty place between its braces"):
        split_written_forms(text)
