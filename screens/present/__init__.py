"""From values to lines: pure functions, tested without an app.

A line is a Textual `Content` whose spans name tones (`screens.theme`), never markup. Every text
that came from outside passes through `lines.safe`.
"""
