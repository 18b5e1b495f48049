"""What the forms of all rooms share: services check what is typed, and a form carries it and shows what they said."""

import wtforms

from app.infra.errors import UserError


class Form(wtforms.Form):
    """A form whose fields can be told what a service found wrong."""

    def refuse(self, error: UserError) -> None:
        """Put the error's messages beside their fields; an error that concerns none of them is raised again."""
        if not error.errors or not any(name in self for name in error.errors):
            raise error
        for name, message in error.errors.items():
            if name in self:
                self[name].errors = [message]
