"""Train, search with, compare and look into recurrent translation models with swappable attention."""
