"""The one error that a user can mend."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message names the file, what was found, what was expected and what to do. The command line prints it
    without a traceback and exits with status 2; a folder of cases goes on with the next case.
    """
