"""Train, search with, compare and look into recurrent translation models with swappable attention."""

__version__ = "0.2.0.dev0"
