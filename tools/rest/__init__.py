"""The audience service as resources over HTTP: no logic of its own, only how the web says it."""
