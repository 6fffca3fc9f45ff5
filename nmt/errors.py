"""What can be wrong with what we were given. Each message says what was asked, what was found and the way out."""

import re


class NmtError(Exception):
    """A problem that the person at the keyboard can mend; commands print its message and exit with status 2.

    Every argument is one line of the message. A line end within one comes from what it quotes, such as the name of a
    file, and is printed as an escape.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class ConfigError(NmtError):
    """A setting has an unknown name, a wrong type, a missing value, or contradicts another setting."""

    def move(self, group: str, place: str) -> "ConfigError":
        """The same error about settings of `place`, where its words name those of `group`: `group.key` is `place.key`,
        and the choice `group/key=` is `place.key.name=`."""
        name = rf"(?<![\w./]){re.escape(group)}"
        lines = (re.sub(rf"{name}/(\w+)=", rf"{place}.\1.name=", str(line)) for line in self.args)
        return ConfigError(*(re.sub(rf"{name}(?=\.\w)", place, line) for line in lines))


class DataError(NmtError):
    """A text, a corpus or a set of gold alignments cannot be used as it is."""


class ModelError(NmtError):
    """A model folder is incomplete, damaged, or not what it says."""


class CheckpointError(NmtError):
    """A run cannot be saved, or cannot be resumed from what is on disk."""


class TrainingError(NmtError):
    """Training cannot go on: its numbers are no numbers any more."""


class RankError(NmtError):
    """Another process of the run has ended, so that this one must end too."""


class TrainingInterrupt(BaseException):
    """Raised where work can be left as it is because of a signal; no error, so that nothing takes it for one.

    number: of the signal.
    """

    def __init__(self, number: int = 0) -> None:
        super().__init__(number)
        self.number = number
