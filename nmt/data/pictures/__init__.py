"""Pictures as sources: sentences that are drawn, files that are read, and scenes that are made."""
