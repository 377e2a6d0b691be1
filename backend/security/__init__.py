"""Who is calling, by key, and what that key may do."""
