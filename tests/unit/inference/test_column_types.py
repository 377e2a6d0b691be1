import pytest
from tables import infer, stored, types

from backend.errors import Invalid
from backend.inference import ColumnPlan, Inference, Kind, conflicts
from backend.schemas.imports import ImportOptions, Warnings


def test_one_late_cell_decides_for_the_whole_column() -> None:
    numbers = [str(n) for n in range(5000)]
    assert types({"n": numbers}) == {"n": "integer"}
    assert types({"n": [*numbers, "0.5"]}, splits=[1000, 4000]) == {"n": "number"}
    assert types({"n": [*numbers, "n/a"]}, splits=[1000, 4000]) == {"n": "text"}
    assert types({"n": [*numbers, ""]}) == {"n": "text"}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", None, "-7"], "integer"),
        (["1", "1.0"], "number"),
        (["1.5", "1"], "number"),
        (["007", "8"], "text"),
        (["true", "false"], "boolean"),
        (["true", "FALSE"], "text"),
        (["True", "1"], "text"),
        (["2024-02-29", "2023-02-28"], "date"),
        (["2024-02-29", "2023-02-29"], "text"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:01Z"], "datetime"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+00:00"], "text"),
        (["2024-01-01T10:00:00.5Z", "2024-01-01T10:00:00.25Z"], "text"),
        (["2024-01-01", "2024-01-01T10:00:00"], "text"),
        (["10:00", "11:30"], "time"),
        (["10:00", "11:30:00"], "text"),
        ([None, None], "text"),
        (["", None], "text"),
        (['{"a": 1}', "[]"], "text"),
    ],
)
def test_types(cells: list[str | None], kind: str) -> None:
    assert types({"c": cells}) == {"c": kind}


def test_a_number_with_more_digits_than_jsonb_takes_is_text() -> None:
    assert types({"a": ["1", "9" * 131_073], "b": ["9" * 131_072, "1"]}) == {"a": "text", "b": "integer"}
    assert types({"a": ["1.5", "0." + "1" * 16_384]}) == {"a": "text"}


def test_formats() -> None:
    inference, _ = infer(
        {"b": ["TRUE", "FALSE"], "l": ["true", "false"], "d": ["2024-01-01"] * 2, "m": ["2024-01-01 10:00+0200", None]}
    )
    assert [column.format for column in inference.plan()] == ["TRUE", None, "0000-00-00", "0000-00-00 00:00+0200"]


def test_columns_may_come_later_and_count_as_null_before() -> None:
    columns = {"a": ["1", "2"], "b": ["x", "3"]}
    inference, _ = infer({"a": columns["a"]})
    inference.observe(infer(columns)[1][0], ["a", "b"])
    evidence = inference.evidence()
    assert (inference.rows, evidence[0].nulls, evidence[1].nulls) == (4, 0, 2)


def test_a_table_without_rows_or_columns() -> None:
    assert types({}) == {}
    assert types({"a": []}) == {"a": "text"}
    inference = Inference(ImportOptions())
    inference.finish(["a", "b"])
    assert [column.type for column in inference.plan()] == ["text", "text"]
    assert [evidence.nulls for evidence in inference.evidence()] == [0, 0]


def test_the_plan_says_when_to_load_again() -> None:
    none, integer = ColumnPlan("text", None, "none"), ColumnPlan("integer", None, "raw")
    number, comma = ColumnPlan("number", None, "raw"), ColumnPlan("number", None, "raw", "comma")
    text, date = ColumnPlan("text", None, "string"), ColumnPlan("date", "0000-00-00", "string")
    told, boolean = ColumnPlan("date", "0000-00-00", "string", "%d.%m.%Y"), ColumnPlan("boolean", None, "boolean")
    for before, after in [(none, integer), (integer, number), (integer, comma), (date, text), (none, told)]:
        assert not conflicts([before], [after, integer])
    for before, after in [(integer, text), (boolean, text), (told, text), (told, integer), (comma, text)]:
        assert conflicts([integer, before], [integer, after])


class TestWorkbooks:
    N, T, B, D, S = Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN, Kind.DATE, Kind.DATETIME

    def test_text_cells_are_never_numbers(self) -> None:
        assert types({"a": ["1", "2"]}, kinds=[[self.T, self.T]]) == {"a": "text"}
        assert types({"a": ["1", "2"]}, kinds=[[self.N, self.N]]) == {"a": "integer"}
        assert types({"a": ["1", None, "2.5"]}, kinds=[[self.N, Kind.ERROR, self.N]]) == {"a": "number"}

    @pytest.mark.parametrize("splits", [[], [1]])
    def test_mixed_kinds_are_text(self, splits: list[int]) -> None:
        columns = {"a": ["1", "x"], "b": ["true", "1"], "c": ["2024-01-01", "2024-01-01T10:00:00"], "d": [None, "5"]}
        kinds = [[self.N, self.T], [self.B, self.N], [self.D, self.S], [Kind.EMPTY, self.N]]
        inference, _ = infer(columns, kinds=kinds, splits=splits)
        assert [column.type for column in inference.plan()] == ["text", "text", "text", "integer"]
        assert [evidence.counts for evidence in inference.evidence()] == [
            {"integer": 1, "text": 1},
            {"boolean": 1, "integer": 1},
            {"date": 1, "datetime": 1},
            {"integer": 1},
        ]

    def test_other_kinds(self) -> None:
        columns = {
            "b": ["true", "false"],
            "d": ["2024-01-01"] * 2,
            "s": ["2024-01-01T10:00:00"] * 2,
            "t": ["10:20:30"] * 2,
        }
        kinds = [[self.B] * 2, [self.D] * 2, [self.S] * 2, [Kind.TIME] * 2]
        assert types(columns, kinds=kinds) == {"b": "boolean", "d": "date", "s": "datetime", "t": "time"}

    def test_decimal_comma_leaves_number_cells_alone(self) -> None:
        assert types({"a": ["1.5", "2"]}, kinds=[[self.N] * 2], decimal_comma=True) == {"a": "number"}


class TestToldTypes:
    def test_are_lenient_but_exact(self) -> None:
        columns = {
            "i": [" 007", "+5", "5.0", "1e3", "-0", None],
            "n": [".5", "5.", "-00.10", "1E-7", "-0.0", "12"],
            "b": ["Yes", "TRUE", "0", "off", " t ", None],
            "j": ['{"a":\n1.50}', "null", '"\\\\u0000"', "[]", "1", '{"a":"b"}'],
            "t": ["1", "x", "", "2", "3", "4"],
        }
        told = {"i": "integer", "n": "number", "b": "boolean", "j": "json", "t": "text"}
        rows = stored(columns, types=told)
        assert [row.get("i") for row in rows] == [("number", n) for n in ("7", "5", "5", "1000", "0")] + [None]
        assert [row["n"][1] for row in rows] == ["0.5", "5", "-0.10", "0.0000001", "0.0", "12"]
        assert [row.get("b") for row in rows] == [True, True, False, False, True, None]
        assert rows[0]["j"] == {"a": ("number", "1.50")}
        assert "j" not in rows[1]
        assert [row["t"] for row in rows] == ["1", "x", "", "2", "3", "4"]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("integer", "1.5"), ("integer", ""), ("number", "1,5"), ("number", "x"), ("number", "9" * 131_073),
            ("boolean", "ja"), ("date", "31.01.2024"), ("date", "2025-02-29"), ("datetime", "2024-01-01"),
            ("time", "25:00"), ("json", "{'a': 1}"), ("json", "NaN"), ("json", '"\\u0000"'), ("json", '"\\ud800"'),
            ("json", "1e999999"), ("json", ""), ("json", "[" * 100_000),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_refuses_the_file(self, kind: str, value: str) -> None:
        with pytest.raises(Invalid) as refused:
            infer({"a": ["1", "2"], "c": [None, value]}, types={"c": kind})
        assert refused.value.code() == "BAD_CELLS"
        assert [(error.row, error.column) for error in refused.value.errors] == [(3, "c")]

    def test_bad_cells_become_null_with_a_warning(self) -> None:
        warnings = Warnings()
        rows = stored(
            {"a": ["1", "x", "3"], "b": ["x", "2", "3"]}, types={"a": "integer"}, on_error="null", warnings=warnings
        )
        assert rows == [{"a": ("number", "1"), "b": "x"}, {"b": "2"}, {"a": ("number", "3"), "b": "3"}]
        assert [(warning.row, warning.column, warning.value) for warning in warnings.items] == [(3, "a", "x")]

    def test_bad_rows_are_left_out_and_counted(self) -> None:
        columns = {"a": ["1", "x", "3"], "b": ["x", "2", "3"]}
        inference, cleaned = infer(columns, types={"a": "integer"}, on_error="skip", splits=[1])
        assert (inference.rows, inference.rejected) == (2, 1)
        assert [batch.rows.to_list() for batch in cleaned] == [[2], [4]]
        assert [evidence.counts for evidence in inference.evidence()] == [{"integer": 2}, {"integer": 1, "text": 1}]

    def test_many_bad_cells_are_counted_in_full(self) -> None:
        warnings = Warnings()
        infer({"a": ["x"] * 1000}, types={"a": "integer"}, on_error="null", warnings=warnings)
        assert (len(warnings.items), warnings.total) == (100, 1000)

    def test_the_first_shape_holds_for_the_column(self) -> None:
        columns = {"a": ["2024-01-01 10:00", "2024-01-01T10:00:00", "2024-01-02 11:00"]}
        inference, _ = infer(columns, types={"a": "datetime"}, on_error="skip", splits=[1, 2])
        assert (inference.rejected, inference.plan()[0].format) == (1, "0000-00-00 00:00")

    def test_a_told_boolean_keeps_one_casing(self) -> None:
        assert infer({"a": ["TRUE", "FALSE"]}, types={"a": "boolean"})[0].plan()[0].format == "TRUE"
        assert infer({"a": ["TRUE", "yes"]}, types={"a": "boolean"})[0].plan()[0].format is None
        assert stored({"a": ["TRUE", "yes"]}, types={"a": "boolean"}) == [{"a": True}, {"a": True}]

    def test_an_unknown_column_is_refused_with_the_nearest_name(self) -> None:
        with pytest.raises(Invalid, match=r"amont.*amount"):
            infer({"amount": ["1"]}, types={"amont": "integer"})

    def test_decimal_comma(self) -> None:
        rows = stored({"a": ["1,5", "+2", "3.5"]}, types={"a": "number"}, decimal_comma=True, on_error="null")
        assert rows == [{"a": ("number", "1.5")}, {"a": ("number", "2")}, {}]


class TestOptions:
    def test_null_words(self) -> None:
        assert types({"a": ["1", "NA", "-"]}, null_values=("NA", "-")) == {"a": "integer"}
        assert stored({"a": ["1", "NA"], "b": ["", "x"]}, null_values=("NA", "")) == [
            {"a": ("number", "1")},
            {"b": "x"},
        ]

    def test_decimal_comma(self) -> None:
        assert stored({"a": ["1,50", "7"], "b": ["1.5", "1,5"]}, decimal_comma=True) == [
            {"a": ("number", "1.50"), "b": "1.5"},
            {"a": ("number", "7"), "b": "1,5"},
        ]

    @pytest.mark.parametrize(
        ("date_format", "value"),
        [
            ("DD.MM.YYYY", "01.02.2024"), ("dd.mm.yyyy", "1.2.2024"), ("%d.%m.%Y", "1.2.2024"),
            ("MM/DD/YYYY", "02/01/2024"), ("YYYYMMDD", "20240201"), ("DD MMM YYYY", "01 Feb 2024"),
            ("%B %d, %Y", "February 1, 2024"), ("D/M/YY", "1/2/24"),
        ],
    )  # fmt: skip
    def test_dates_in_a_told_format(self, date_format: str, value: str) -> None:
        columns = {"a": [value, None]}
        inference, _ = infer(columns, date_format=date_format)
        assert (inference.plan()[0].type, inference.plan()[0].format) == ("date", "0000-00-00")
        assert stored(columns, date_format=date_format) == [{"a": "2024-02-01"}, {}]
        assert inference.evidence()[0].min == "2024-02-01"

    def test_a_column_that_does_not_fit_keeps_its_text(self) -> None:
        columns = {"a": ["1.2.2024", "30.2.2024"], "b": ["2024-01-01", "2024-01-02"], "c": ["1", "2"]}
        assert types(columns, date_format="DD.MM.YYYY", splits=[1]) == {"a": "text", "b": "date", "c": "integer"}
        assert stored(columns, date_format="DD.MM.YYYY")[0]["a"] == "1.2.2024"
        assert types({"a": ["20240201", "7"]}, date_format="YYYYMMDD", splits=[1]) == {"a": "integer"}

    @pytest.mark.parametrize("date_format", ["", "DD.MM", "%H:%M", "DD.MM.YYYY HH", "YYYY-MM-DD-DD", "%Q.%m.%d"])
    def test_a_date_format_that_names_no_day_is_refused(self, date_format: str) -> None:
        with pytest.raises(Invalid, match="date_format"):
            infer({}, date_format=date_format)
