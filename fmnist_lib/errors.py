"""The one exception of the course."""


class CourseError(Exception):
    """Says in one paragraph what is wrong and what to do about it.

    Every function of `fmnist_lib` that refuses its input raises this class, but for
    `synthetic.generate`, whose arguments come from no user: it raises ValueError. The `fmnist`
    command prints the paragraph and exits with status 1.
    """


def in_one_line(error: Exception) -> str:
    """What an error says, for a sentence of ours: its first 200 characters, without line breaks."""
    return " ".join(str(error).split())[:200]
