"""Where the API is, for answers that name an address of it."""

API_PATH = "/api/v1"
