"""All that a call needs that brings a file in."""

from msgspec import Struct

from backend.services.import_queue import ImportQueue
from backend.services.import_runs import ImportRuns
from backend.services.imports import ImportService
from backend.services.kept_uploads import KeptUploads
from backend.services.uploads import UploadFolder


class Importers(Struct, frozen=True):
    """`folder` takes the file, `runs` imports it while its caller waits, `queue` later, `uploads` keeps it."""

    service: ImportService
    folder: UploadFolder
    runs: ImportRuns
    queue: ImportQueue
    uploads: KeptUploads
