"""Splitting what was received: every byte is kept, whatever it says."""

import json

import pytest

from python_scoring.errors import BadInput
from python_scoring.intake import documents
from python_scoring.intake.documents import Document, split


def read(data: bytes) -> list[Document]:
    return list(split(data))


def contents(data: bytes) -> list[bytes]:
    return [document.content for document in read(data)]


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": 1}, {"a":\t2}]',
        b'  [ {"a": 1} ,\n{"a":\t2} ] \n',
        b'{"a": 1}\n{"a":\t2}\n',
        b'{"a": 1}{"a":\t2}',
        b'\xef\xbb\xbf[{"a": 1}, {"a":\t2}]',
    ],
)
def test_json_in_its_forms(data: bytes) -> None:
    found = read(data)
    assert [d.position for d in found] == [1, 2]
    assert [d.fields for d in found] == [{"a": 1}, {"a": 2}]
    assert [d.content for d in found] == [b'{"a": 1}', b'{"a":\t2}']


def test_one_object_may_have_many_lines() -> None:
    data = json.dumps({"a": 1, "b": {"c": [1, 2]}}, indent=2).encode()
    assert contents(data) == [data]


def test_letters_of_more_bytes_than_one() -> None:
    data = '[{"name": "Zoë 😀"}, {"name": "Ωmega"}]'.encode()
    assert contents(data) == [
        '{"name": "Zoë 😀"}'.encode(),
        '{"name": "Ωmega"}'.encode(),
    ]


def test_a_broken_line_does_not_take_the_next_with_it() -> None:
    first, second, third = read(b'{"a": 1}\n{"a": \r\n{"a": 3}')
    assert (first.fields, third.fields) == ({"a": 1}, {"a": 3})
    assert (second.fields, second.content) == (None, b'{"a": ')
    assert second.fault is not None
    assert "not JSON: character 7" in second.fault


def test_nothing_of_a_line_is_lost() -> None:
    assert contents(b'{"a": 1}\n5 {"a": 2}\n{"a": 3}') == [
        b'{"a": 1}',
        b'5 {"a": 2}',
        b'{"a": 3}',
    ]


@pytest.mark.parametrize(
    ("data", "good", "rest"),
    [
        (b'[{"a": 1}, {"a": }, {"a": 3}]', 1, b'{"a": }, {"a": 3}]'),
        (b'[{"a": 1}, {"a": 2}', 2, b""),
        (b'[{"a": 1} {"a": 2}]', 1, b'{"a": 2}]'),
        (b'[{"a": 1}] and more', 1, b"] and more"),
        (b'[{"a": 1},', 1, b""),
        (b"[" * 9_000, 0, b"[" * 8_999),
    ],
)
def test_a_broken_array_keeps_the_rest(data: bytes, good: int, rest: bytes) -> None:
    found = read(data)
    assert [d.fields is not None for d in found] == [True] * good + [False]
    assert found[-1].content == rest
    assert found[-1].fault


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": 1, "a": 2}', "a field is there more than once"),
        (b'{"age": 1, "age": 2}', "field age is there more than once"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5,000 digits"),
        (b'{"a": NaN}', "NaN"),
        (b'[{"a": -Infinity}]', "Infinity"),
        (b"[1]", "int; expected a JSON object"),
        (b'["x"]', "str; expected a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nested too deeply"),
        (b'{"a": "' + b"x" * 10_000_000 + b'"}', "10,000,009 bytes; expected at most"),
    ],
)
def test_what_is_no_record(data: bytes, words: str) -> None:
    [found] = read(data)
    assert found.fields is None
    assert words in str(found.fault)
    assert found.content in data


def test_a_table() -> None:
    data = b'a,b,c\r\n1,"x, ""y""",\r\n\r\n"two\nlines", 2 ,3\r\n4,5\n6,7,8'
    found = read(data)
    assert [d.fields for d in found] == [
        {"a": "1", "b": 'x, "y"'},
        {"a": "two\nlines", "b": "2", "c": "3"},
        None,
        {"a": "6", "b": "7", "c": "8"},
    ]
    assert found[0].content == b'a,b,c\n1,"x, ""y""",'
    assert found[1].content == b'a,b,c\n"two\nlines", 2 ,3'
    assert found[2].fault == "2 cells; expected 3, as in the header"


def test_a_quote_that_never_ends() -> None:
    good, bad = read(b'a,b\n1,2\n3,"4\n5,6\n')
    assert good.fields == {"a": "1", "b": "2"}
    assert bad.content == b'a,b\n3,"4\n5,6\n'
    assert "expected CSV" in str(bad.fault)


@pytest.mark.parametrize(
    "data", [b"", b" \n", b"[]", b" [ ] ", b"a,a\n1,2\n", b"a,b\n", b"5"]
)
def test_nothing_to_take_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"expected|more than once"):
        read(data)


def test_a_whole_cohort_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 10)
    with pytest.raises(BadInput, match="load cohort"):
        split(b'{"a": "12345"}')


def test_more_records_than_one_submission_holds_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MOST_RECORDS", 2)
    with pytest.raises(BadInput, match="more than 2 new patients"):
        read(b"{}\n{}\n{}")


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": 1}, {"a": "\xff"}, {"a": 3}]',
        b'[{"a": 1}, {"a": 2, "a": 2}, {"a": 3}]',
        b'{"a": 1}\n{"a": NaN}\n{"a": 3}',
        b"a\n1\n\xff\n3",
    ],
)
def test_a_fault_is_of_its_record_alone(data: bytes) -> None:
    found = read(data)
    assert [d.fields is not None for d in found] == [True, False, True]
    assert all(d.content in data for d in found if data.startswith((b"[", b"{")))
