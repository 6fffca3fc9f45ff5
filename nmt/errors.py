"""What can be wrong with what we were given. Each message says what was asked, what was found and the way out."""


class NmtError(Exception):
    """A problem that the person at the keyboard can mend; commands print its message and exit with status 2.

    Every argument is one line of the message. A line end within one comes from what it quotes, such as the name of a
    file, and is printed as an escape.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class ConfigError(NmtError):
    """A setting has an unknown name, a wrong type, a missing value, or contradicts another setting."""


class DataError(NmtError):
    """A text, a corpus or a set of gold alignments cannot be used as it is."""


class ModelError(NmtError):
    """A model folder is incomplete, damaged, or not what it says."""


class CheckpointError(NmtError):
    """A run cannot be saved, or cannot be resumed from what is on disk."""


class TrainingError(NmtError):
    """Training cannot go on: its numbers are no numbers any more."""
