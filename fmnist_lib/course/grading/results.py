"""What grading finds out: the result of each answer of each student."""

from dataclasses import dataclass, field

from fmnist_lib.course.grading.answers import Taken
from fmnist_lib.course.grading.submissions import Student


@dataclass(frozen=True)
class Result:
    """What became of one answer."""

    kind: str  # "right", "not yet", "open" (not answered), "stopped" or "missing" (not there)
    reason: str = ""
    more: str = ""  # the stronger hint
    given: str = ""  # the answer, where it is a short value; of a quiz the letter
    code: str = ""
    unusual: tuple[str, ...] = ()  # see `suspicion`, and what the answer changed when it ran


@dataclass
class Graded:
    """A student with the results, by the ids of exercises."""

    student: Student
    taken: Taken
    results: dict[str, Result] = field(default_factory=dict)

    def right(self) -> set[str]:
        """The ids of the exercises that are right."""
        return {id for id, result in self.results.items() if result.kind == "right"}
