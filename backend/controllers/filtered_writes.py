"""Changing and deleting records by a filter."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Controller, Response, delete
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta, Raw, Struct, field
from msgspec.structs import replace

from backend.controllers.answers import REFUSED_WRITE, success
from backend.controllers.bodies import named_in, raw_members
from backend.controllers.documented import FILTERS, JSON, documented, parameter, schema_of
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, IfMatch, Ref, flag
from backend.controllers.queries import filter_member, query_from_string, string_members
from backend.errors import BadRequest, InvalidParameter, LimitExceeded
from backend.query.nodes import Query
from backend.query.text import shown
from backend.query.values import whole
from backend.schemas.access import Action
from backend.schemas.batches import RecordId
from backend.schemas.records import Changed
from backend.security.auth import may
from backend.services.batches import MOST_OPERATIONS
from backend.services.filtered_writes import FilteredWriteService, Terms

_NOT_GIVEN = b""
_OWN = frozenset({"max_affected", "dry_run"})
_AFFECTED = {"type": "integer", "minimum": 0}
Most = Annotated[int, Meta(ge=0)]
MaxAffected: TypeAlias = Annotated[int | None, QueryParameter(ge=0)]


class FilteredPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A merge patch for all records that a filter lets through; `{}` is all of them."""

    where: Raw
    set: dict[str, Raw]
    max_affected: Most | None = None


class FilteredDelete(Struct, frozen=True, forbid_unknown_fields=True):
    """Records to delete, by a filter or by their ids."""

    where: Raw = field(default_factory=lambda: Raw(_NOT_GIVEN))
    ids: Annotated[tuple[RecordId, ...], Meta(extra_json_schema={"maxItems": MOST_OPERATIONS})] | None = None
    max_affected: Most | None = None


WHERE = {**schema_of(FilteredPatch), "additionalProperties": False}
"""The JSON Schema of a patch by filter."""


class FilteredWriteController(Controller):
    path = "/datasets/{ref:str}"
    tags = ("records",)
    opt = may(Action.WRITE_RECORDS)

    @delete(
        "/records",
        status_code=200,
        opt=READS_PARAMETERS,
        responses={200: success(Changed, "What was deleted"), **REFUSED_WRITE},
        operation_class=documented(
            parameters=[
                *FILTERS,
                parameter("max_affected", _AFFECTED, "409, and nothing deleted, when more records match."),
                parameter("dry_run", {"type": "boolean"}, "Only say what would happen."),
            ],
            body={JSON: schema_of(FilteredDelete)},
            body_required=False,
        ),
    )
    async def remove(
        self,
        request: CallerRequest,
        ref: Ref,
        filtered_writes: NamedDependency[FilteredWriteService],
        if_match: IfMatch = None,
    ) -> Response[Changed]:
        """Delete the records that filters let through, or those with these ids, as one version.

        Filters stand in the query string or, as `where`, in the body; without any the call is refused.
        """
        workspace, query = query_from_string(request.scope["query_string"], _OWN)
        _refuse_other(query)
        own = string_members(request, _OWN)
        asked = await _asked(request)
        most = _most(own.get("max_affected"), asked.max_affected)
        terms = Terms(most, if_match, dry_run=flag("dry_run", own.get("dry_run", "false")))
        if [query.given != set(), bytes(asked.where) != _NOT_GIVEN, asked.ids is not None].count(True) > 1:
            raise BadRequest("Say once which records: by filters in the address, `where` or `ids`.")
        if asked.ids is not None:
            if len(asked.ids) > MOST_OPERATIONS:
                raise LimitExceeded(f"{len(asked.ids):,} ids in one request; at most {MOST_OPERATIONS:,} are taken.")
            answer, etag = await filtered_writes.delete_ids(request.user, ref, workspace, asked.ids, terms)
        else:
            query = query if bytes(asked.where) == _NOT_GIVEN else filter_member(asked.where)
            answer, etag = await filtered_writes.delete(request.user, ref, workspace, query, terms)
        return Response(answer, headers={"ETag": etag})


def asked_patch(body: bytes, *, partial: bool, max_affected: int | None) -> FilteredPatch | None:
    """The body of a `PATCH …/records` by filter; None for one of a batch. Raises BadRequest, InvalidBody."""
    if "where" not in named_in(body):
        if max_affected is not None:
            raise BadRequest("max_affected is for changes by filter: a batch names each record.")
        return None
    if partial:
        raise BadRequest("partial=true is for batches; a change by filter is made whole or not at all.")
    asked = raw_members(body, FilteredPatch)
    return replace(asked, max_affected=_either(max_affected, asked.max_affected))


async def patch_where(
    request: CallerRequest,
    ref: str,
    workspace: str | None,
    filtered_writes: FilteredWriteService,
    asked: FilteredPatch,
    terms: Terms,
) -> Response[Changed]:
    query = filter_member(asked.where)
    answer, etag = await filtered_writes.patch(request.user, ref, workspace, query, asked.set, terms)
    return Response(answer, headers={"ETag": etag})


async def _asked(request: CallerRequest) -> FilteredDelete:
    body = await request.body()
    return raw_members(body, FilteredDelete) if body.strip() else FilteredDelete()


def _refuse_other(query: Query) -> None:
    """All of a query but its filters would be ignored."""
    if other := sorted({*query.given, *({"cursor"} if query.cursor else ())} - {"where", "q"}):
        raise BadRequest(f"{', '.join(other)}: only filters and q say which records to delete.")


def _most(text: str | None, in_body: int | None) -> int | None:
    number = None if text is None else whole(text)
    if text is not None and (number is None or number < 0):
        raise InvalidParameter(f"max_affected is a whole number from 0 on, not {shown(text)}.")
    return _either(number, in_body)


def _either(in_address: int | None, in_body: int | None) -> int | None:
    if in_address is not None and in_body is not None:
        raise BadRequest("max_affected is given twice, in the address and in the body.")
    return in_address if in_body is None else in_body
