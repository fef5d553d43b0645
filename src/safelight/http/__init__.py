"""The HTTP edge: checks what comes in, calls one command or query, says what came of it."""
