"""Ids of the control symbols: the same in every vocabulary, so that models, search and data agree without asking.

They are SentencePiece's `pad_id`, `unk_id`, `bos_id` and `eos_id` in every tokenizer that this project trains.
"""

PAD, UNK, BOS, EOS = range(4)
