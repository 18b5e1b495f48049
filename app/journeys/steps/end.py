"""END: the journey is completed here."""

from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry


class EndConfig(StepConfig):
    """An END has no settings."""


class End(StepType[EndConfig]):
    """The last step of a path. A path may also simply stop: the journey then completes after its last step."""

    label = "End"
    icon = "flag"
    description = "The journey is completed here."
    ends = True
    Config = EndConfig

    def exits(self, config: object) -> tuple[str, ...]:  # noqa: ARG002
        """Return no exit."""
        return ()

    def words(self, config: EndConfig, known: Known) -> str:  # noqa: ARG002
        """Return what happens here."""
        return "Journey completed"

    def run(self, batch: StepBatch[EndConfig]) -> None:
        """Let everybody arrive."""
        batch.leave_all(result={"completed": True})


registry.register("END")(End())
