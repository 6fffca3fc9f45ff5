"""Several corpora as one: their shares of an epoch, and the tags in front of their source lines."""
