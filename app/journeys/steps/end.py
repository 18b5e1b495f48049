"""END: the journey is completed here."""

from pydantic import Field

from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry


class EndConfig(StepConfig):
    """What this end is called, where a journey has several."""

    reason: str | None = Field(
        default=None,
        max_length=200,
        title="Reason",
        description="What it means to end here, such as “Has booked”. Reports and people’s paths tell it.",
    )


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

    def title(self, config: EndConfig, known: Known) -> str:  # noqa: ARG002
        """Return what it means to end here."""
        return config.reason or self.label

    def words(self, config: EndConfig, known: Known) -> str:  # noqa: ARG002
        """Return what happens here."""
        return f"Completed: {config.reason}" if config.reason else "Journey completed"

    def run(self, batch: StepBatch[EndConfig]) -> None:
        """Let everybody arrive."""
        reason = {"reason": batch.config.reason} if batch.config.reason else {}
        batch.leave_all(result={"completed": True, **reason})


registry.register("END")(End())
