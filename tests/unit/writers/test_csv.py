"""What the CSV and TSV writers make of COPY's records."""

import pytest
from msgspec import json

from backend.errors import BadRequest
from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers import Table, writer_for

A, B = Column("a", "a", "text"), Column("b", "b", "integer")


def written(lines: list[bytes], *columns: Column, wide: bool = False, **options: object) -> bytes:
    """All chunks of a file of these COPY records, given as two lists and an empty one."""
    chosen = ExportOptions(**options)
    writer = writer_for(chosen)
    table = Table("orders", columns, len(lines), wide)
    return b"".join(writer.write([lines[:1], [], lines[1:]], table, chosen))


class TestDefaults:
    def test_records_end_in_crlf_below_a_header(self):
        assert written([b"x,1\n", b'"y,z",2\n'], A, B) == b'a,b\r\nx,1\r\n"y,z",2\r\n'

    def test_line_ends_inside_quotes_stay_as_they_are(self):
        lines = [b'"p\nq",1\n', b'"r\r\ns",\n', b'"\n",2\n']
        assert written(lines, A, B) == b'a,b\r\n"p\nq",1\r\n"r\r\ns",\r\n"\n",2\r\n'

    def test_no_records_is_a_header_alone(self):
        assert written([], A, B) == b"a,b\r\n"

    def test_names_are_quoted_where_needed(self):
        columns = [Column(str(i), name, "text") for i, name in enumerate(['x,"y"', "p\nq", "é", ""])]
        assert written([], *columns) == '"x,""y""","p\nq",é,""\r\n'.encode()

    def test_a_null_alone_is_an_empty_line_and_empty_text_is_not(self):
        assert written([b"\n", b'""\n', b"x\n"], A) == b'a\r\n\r\n""\r\nx\r\n'

    def test_the_header_leaves_before_the_first_record_is_asked_for(self):
        def rows():
            pytest.fail("the records were asked for")
            yield []

        chosen = ExportOptions()
        assert next(writer_for(chosen).write(rows(), Table("t", (A,), 1), chosen)) == b"a\r\n"


class TestOptions:
    def test_bom(self):
        assert written([b"x\n"], A, bom=True) == b"\xef\xbb\xbfa\r\nx\r\n"

    def test_newline_lf(self):
        assert written([b'"p\r\nq"\n'], A, newline="lf") == b'a\n"p\r\nq"\n'

    @pytest.mark.parametrize("delimiter", [";", "semicolon"])
    def test_delimiter_is_done_by_copy(self, delimiter: str):
        chosen = ExportOptions(delimiter=delimiter)
        assert writer_for(chosen).delimiter(chosen) == ";"
        assert written([b"x;1\n"], A, B, delimiter=delimiter) == b"a;b\r\nx;1\r\n"

    def test_tsv(self):
        chosen = ExportOptions(format="tsv")
        assert writer_for(chosen).delimiter(chosen) == "\t"
        assert written([b"x\t1\n"], A, Column("c", "c\td", "text"), format="tsv") == b'a\t"c\td"\r\nx\t1\r\n'

    def test_null_is_told_apart_from_empty_text_and_from_its_own_word(self):
        lines = [b"NA,1\n", b'"",\n', b",2\n"]
        assert written(lines, A, B, null="NA") == b'a,b\r\n"NA",1\r\n"",NA\r\nNA,2\r\n'

    def test_null_of_one_column(self):
        assert written([b"\n", b'""\n', b"x\n"], A, null="NA") == b'a\r\nNA\r\n""\r\nx\r\n'

    def test_formulas_are_guarded_in_text_and_names_only(self):
        lines = [b"=1+1,-5\n", b"'=x,-6\n", b"it's,\n", b'"\tx",1\n', b'"-a ""b"", c",\n', b"'',\n"]
        columns = Column("a", "@a", "text"), B
        assert written(lines, *columns, escape_formulas=True) == (
            b"'@a,b\r\n'=1+1,-5\r\n''=x,-6\r\nit's,\r\n'\tx,1\r\n\"'-a \"\"b\"\", c\",\r\n'',\r\n"
        )

    def test_options_together(self):
        lines = [b'"a;b";1\n', b'"";\n']
        made = written(lines, A, B, format="tsv", delimiter=";", null="-", escape_formulas=True, newline="lf", bom=True)
        assert made == b'\xef\xbb\xbfa;b\n"a;b";1\n"";-\n'


class TestWide:
    def test_records_come_as_json_arrays(self):
        values = [["x", None, "", 'q"'], ["é\n", "1", "a,b", "\t"]]
        lines = [b'"' + json.encode(row).replace(b'"', b'""') + b'"\n' for row in values]
        columns = [Column(name, name, "text") for name in "abcd"]
        assert written(lines, *columns, wide=True) == 'a,b,c,d\r\nx,,"","q"""\r\n"é\n",1,"a,b",\t\r\n'.encode()

    def test_an_array_that_copy_need_not_quote(self):
        assert written([b"[null,null]\n"], A, B, wide=True, delimiter=";") == b"a;b\r\n;\r\n"


class TestRefused:
    @pytest.mark.parametrize("delimiter", ["", ";;", "x", "1", '"', "\n", "é", "\0"])
    def test_a_delimiter_that_would_not_delimit(self, delimiter: str):
        with pytest.raises(ValueError, match="delimiter must be"):
            ExportOptions(delimiter=delimiter)

    @pytest.mark.parametrize("null", ['"', "a\n", "a,b"])
    def test_a_null_word_that_would_not_be_read_back(self, null: str):
        with pytest.raises(ValueError, match="null cannot contain"):
            ExportOptions(null=null)

    def test_the_null_word_holds_the_delimiter_given(self):
        with pytest.raises(ValueError, match="null cannot contain"):
            ExportOptions(delimiter="tab", null="a\tb")

    def test_an_unknown_format(self):
        with pytest.raises(BadRequest, match="Unknown export format 'pdf'; known are csv, tsv"):
            writer_for(ExportOptions(format="pdf"))
