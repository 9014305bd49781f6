"""What went wrong, as a command says it."""


def sentence(error: Exception) -> str:
    """An error in words; the system's with the file that it is about, and without its number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
