"""The one error a person at the keyboard is meant to read and act on."""


class UserError(Exception):
    """Something in the settings or the input has to change; the message says what.

    The command line shows the message alone, without a traceback.
    """
