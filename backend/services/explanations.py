"""What a query would do, in plain words: no SQL and no names of the database's own."""

from __future__ import annotations

from typing import Any, Literal

from backend.errors import InvalidQuery
from backend.query.indexing import Access, Form
from backend.query.nodes import Query
from backend.repositories import indexes, selections
from backend.repositories.database import Database
from backend.repositories.indexes import Index
from backend.repositories.plans import Plan, Statement, plan
from backend.schemas.callers import Caller
from backend.schemas.explanations import ExplainedIndex, Explanation, IndexState
from backend.services.indexing import ENOUGH, IndexService
from backend.services.queries import QueryService
from backend.services.readings import BOUNDED, Reading, check_countable

Call = Literal["page", "count", "export"]
_KINDS: dict[str, Literal["ascending", "descending", "letters"]] = {
    "asc": "ascending",
    "desc": "descending",
    "trigram": "letters",
}
_IN_ORDER = "Reads the records where they lie, in the order of their ids."


class ExplanationService:
    def __init__(self, database: Database, queries: QueryService, indexing: IndexService) -> None:
        self._database = database
        self._queries = queries
        self._indexing = indexing

    async def explain(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, call: Call = "page"
    ) -> Explanation:
        """How PostgreSQL would go about this call, and which indexes there are for it. Raises what the call raises."""
        if call == "export" and query.cursor is not None:
            raise InvalidQuery("An export has no pages; leave `cursor` out.")
        if call == "count":
            check_countable(query)
        await self._indexing.flush()
        async with self._database.snapshot() as tx:
            reading = await self._queries.reading(tx, caller, ref, workspace, query)
            snapshot, chosen = reading.snapshot, reading.chosen
            if call == "count" and chosen.unfiltered:
                text = "Reads nothing: how many records a version has is known."
                return Explanation(snapshot.version, snapshot.rows, "none", [], text)
            statement, params = _statement(reading, call, str(snapshot.dataset_id))
            known = await indexes.list_of(tx, snapshot.store)
            planned = await plan(tx, statement, params, f"records_{snapshot.store.hex}")
        return self._explained(reading, call, {index.digest: index for index in known}, planned)

    def _explained(self, reading: Reading, call: Call, known: dict[str, Index], planned: Plan) -> Explanation:
        snapshot, chosen = reading.snapshot, reading.chosen
        would = [each for access in chosen.accesses for each in self._indexes(access, known, reading, planned)]
        used = [index for index in would if index.used]
        by_key = any(name.startswith("uq_records_") for name in planned.indexes)
        plain = chosen.unfiltered and (call == "count" or not chosen.accesses) and not planned.scans
        if used or by_key:
            access: Literal["index", "order", "scan"] = "index"
            text = f"Uses the index on {_listed(used) or 'the key'}."
        elif plain:
            access, text = "order", _IN_ORDER
        elif planned.by_id and reading.place is None:
            access, text = "index", "Looks the records up by their ids."
        elif planned.scans or call != "page":
            access, text = "scan", f"Scans {snapshot.rows:,} rows."
        else:
            access = "scan"
            text = f"Goes through the {snapshot.rows:,} rows in their order until the page is full."
        others = [_sentence(index) for index in would if not index.used]
        if access == "scan" and not would:
            others = ["No index serves this kind of condition or order."]
        return Explanation(snapshot.version, snapshot.rows, access, would, " ".join([text, *others]))

    def _indexes(
        self, access: Access, known: dict[str, Index], reading: Reading, planned: Plan
    ) -> list[ExplainedIndex]:
        """The index for this, or another on the column where that is taken; both where the order needs one."""
        own, query = known.get(access.digest), reading.query
        other = [
            each
            for each in known.values()
            if each.expression == access.expression and each.digest != access.digest and each.name in planned.indexes
        ]
        found = [self._index(each.form, access.column, (), each, reading, planned) for each in other]
        if not other or (query.sort and query.sort[0].column == access.column):
            found.append(self._index(access.form, access.column, access.then, own, reading, planned))
        return found

    def _index(
        self,
        form: Form,
        column: str | None,
        then: tuple[str, ...],
        index: Index | None,
        reading: Reading,
        planned: Plan,
    ) -> ExplainedIndex:
        used = index is not None and index.name in planned.indexes
        state, why = self._state(index, reading, used=used)
        return ExplainedIndex(column, _KINDS[form], list(then), state, used, why)

    def _state(self, index: Index | None, reading: Reading, *, used: bool) -> tuple[IndexState, str | None]:
        if not reading.newest:
            return "none", "indexes are on the newest version alone"
        if index is None:
            rows = self._indexing.limits.rows
            small = reading.snapshot.rows < rows
            return (
                "none",
                f"datasets of fewer than {rows:,} rows get none" if small else f"{ENOUGH} such queries make one",
            )
        match "ready" if used else index.state:
            case "ready":
                why = None if used else "not used: for these values going without it is expected to be faster"
                return "ready", why
            case "building":
                return "building", None
            case "noted" if index.problem is None:
                return ("queued", None) if index.uses >= ENOUGH else ("none", "one more such query makes one")
            case _:
                return "refused", index.problem


def _statement(reading: Reading, call: Call, ref: str) -> tuple[Statement, dict[str, Any]]:
    if call == "count":
        most = BOUNDED if reading.query.count == "bounded" else None
        return selections.count_statement(reading.chosen, newest=reading.newest, at_most=most)
    if call == "export":
        return selections.rows_statement(reading.chosen, reading.query, newest=reading.newest)
    after = reading.place.last if reading.place else None
    return selections.page_statement(reading.chosen, ref, after=after, newest=reading.newest)


def _listed(found: list[ExplainedIndex]) -> str:
    return " and ".join(dict.fromkeys(_about(index) for index in found))


def _about(index: ExplainedIndex) -> str:
    if index.column is None:
        return "all columns"
    first = "-" + index.column if index.then and index.kind == "descending" else index.column
    return f"`{','.join([first, *index.then])}`"


def _sentence(index: ExplainedIndex) -> str:
    about = _about(index) + (", downwards" if index.kind == "descending" and not index.then else "")
    about += " for parts of its text" if index.kind == "letters" and index.column is not None else ""
    why = f": {index.why}" if index.why else ""
    match index.state:
        case "none":
            return f"No index on {about}{why}."
        case "queued":
            return f"No index on {about} yet; queued."
        case "building":
            return f"No index on {about} yet; it is being built."
        case "refused":
            return f"No index on {about}{why}."
        case _:
            return f"The index on {about} is {index.why or 'ready'}."
