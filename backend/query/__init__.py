"""From a query, in the query string or as JSON, to SQL text and its parameters; nothing here has a connection."""
