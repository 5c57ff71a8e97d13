"""Files: where they are, how they are fetched, read, and written whole or not at all."""
