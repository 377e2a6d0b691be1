"""Every failure a caller can meet: one class each, with its HTTP status and default sentence.

The class's name gives the `error_code`, such as `DATASET_NOT_FOUND`, its docstring the text: a sentence with a period.
"""

from __future__ import annotations

from backend.app_error import AppError as AppError  # noqa: PLC0414 everybody takes it from here


class BadRequest(AppError):
    """The request cannot be understood."""

    status = 400


class InvalidQuery(BadRequest):
    """A filter, sort, select, page or export parameter is wrong."""


class UnknownColumn(InvalidQuery):
    """No such column in this version of the dataset."""


class UnknownParameter(InvalidQuery):
    """No such parameter or column."""


class InvalidParameter(BadRequest):
    """A query parameter has a value that cannot be used."""


class InvalidCursor(InvalidQuery):
    """This cursor does not belong to this dataset and query; start again without one."""


class IncompleteBody(BadRequest):
    """The request body ended before it was complete; nothing was stored."""


class Unauthorized(AppError):
    """A valid API key is needed: send it as X-API-Key or Authorization: Bearer."""

    status = 401


class Forbidden(AppError):
    """This key may not do that."""

    status = 403


class RegistrationClosed(Forbidden):
    """Registration is closed on this server; ask its operator for a key."""


class OnlyListedKeys(Forbidden):
    """Only the keys that its operator has listed work on this server; it registers nobody and makes no keys."""


class NotFound(AppError):
    """Not found"""

    status = 404


class DatasetNotFound(NotFound):
    """Dataset not found"""


class RecordNotFound(NotFound):
    """Record not found"""


class VersionNotFound(NotFound):
    """Version not found"""


class WorkspaceNotFound(NotFound):
    """Workspace not found"""


class ImportNotFound(NotFound):
    """Import not found"""


class UploadNotFound(NotFound):
    """Upload not found"""


class ExportNotFound(NotFound):
    """Export not found"""


class KeyNotFound(NotFound):
    """Key not found"""


class UserNotFound(NotFound):
    """User not found"""


class MemberNotFound(NotFound):
    """Member not found"""


class Conflict(AppError):
    """The request conflicts with what is there."""

    status = 409


class DatasetNameTaken(Conflict):
    """A dataset of this name exists already in this workspace."""


class WorkspaceSlugTaken(Conflict):
    """Another one of your workspaces has this slug."""


class LastOwner(Conflict):
    """A workspace needs an owner: make somebody else one first."""


class IdempotencyKeyInUse(Conflict):
    """A request with this Idempotency-Key is running; ask again for its answer in a moment."""


class TagTaken(Conflict):
    """Another version of this dataset has this tag; remove it there first."""


class DatasetBusy(Conflict):
    """An import or a long write into this dataset is under way; it takes no other writes until that is done."""


class TooManyMatch(Conflict):
    """More records match than `max_affected` allows; nothing was changed."""


class RecordIdsUsedUp(Conflict):
    """This dataset has no id left for another record: the largest is 2**53 - 1. Import its records as a new dataset."""


class NoKeyColumn(Conflict):
    """This dataset has no key column; declare one: PATCH /datasets/{ds} {"key": "a column"}."""


class ImportCancelled(Conflict):
    """This import was cancelled; nothing of it was stored."""


class ImportEnded(Conflict):
    """This import has ended already; there is nothing to cancel."""


class ExportNotReady(Conflict):
    """The file of this export is not ready yet."""


class ExportGivenUp(AppError):
    """Each process that made this export ended before it was done."""


class RangeNotSatisfiable(AppError):
    """The file has no bytes in this range."""

    status = 416


class ImportGivenUp(AppError):
    """Each process that ran this import ended before it was done; nothing of it was stored."""


class VersionPruned(AppError):
    """This version is no longer kept: the dataset's history is pruned."""

    status = 410


class PreconditionFailed(AppError):
    """The resource has changed since you read it."""

    status = 412


class TooLarge(AppError):
    """The file or request is larger than this server's limit."""

    status = 413


class HeadTooLarge(AppError):
    """The address and the header fields of a request may take 64 KiB together."""

    status = 431


class UnsupportedFormat(AppError):
    """This file is of no format that can be imported."""

    status = 415


class Invalid(AppError):
    """The request is well formed but its content is not valid."""

    status = 422


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was sent with another request; take a new one for each write."""


class InvalidName(Invalid):
    """This name cannot be used."""


class InvalidBody(Invalid):
    """The JSON body is not what this call takes."""


class UnreadableFile(Invalid):
    """The file cannot be read as what it claims to be."""


class Unwelcome(UnreadableFile):
    """The workbook is refused for what it is, encrypted for one; no other reader is asked."""

    code = UnreadableFile.code


class BadCells(Invalid):
    """Some cells do not fit the type that was told for their column."""


class UnknownTypedColumn(Invalid):
    """The option `types` names a column that the file does not have."""


class DuplicateKeys(Invalid):
    """A key is that of more than one record, or of more than one row of the file."""


class LimitExceeded(Invalid):
    """The file or request goes past one of this server's limits."""


class QuotaExceeded(Invalid):
    """The workspace would hold more than it may; nothing was stored."""


class InvalidRecord(Invalid):
    """A value does not fit its column."""


class InvalidSchema(Invalid):
    """The columns cannot be changed like this; nothing was changed."""


class TooManyRequests(AppError):
    """More requests than this server takes from one caller; try again later."""

    status = 429


class Unavailable(AppError):
    """The service cannot answer right now; try again in a moment."""

    status = 503


class StorageFull(Unavailable):
    """The service has no disk space left; nothing was stored."""


class CommitUnknown(Unavailable):
    """This was interrupted while it was committed: look whether it was done, or repeat it with its Idempotency-Key."""
