"""The one mechanism that all stories share: do, undo, settle, park and resolve."""
