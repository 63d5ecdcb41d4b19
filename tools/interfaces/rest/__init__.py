"""Operations as resources over HTTP: no logic of their own, only how the web says it."""
