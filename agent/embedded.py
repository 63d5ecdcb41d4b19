"""The default chat model: no language model, but rules over what the data has, behind the same interface."""

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ValidationError

from agent.context import Context
from agent.rules.deciding import decide
from encoders.errors import ChatModelError

_FENCE = "```"


class EmbeddedChatModel(BaseChatModel):
    """Reads the context block of the prompt and answers with a step, in milliseconds and always the same."""

    @property
    def _llm_type(self) -> str:
        return "embedded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Answer the last message that holds a context block.

        Raises:
            ChatModelError: none does.
        """
        for message in reversed(messages):
            parts = message.text.split(_FENCE)
            if len(parts) >= 3:
                return self._result(parts[1].removeprefix("json"))
        raise ChatModelError("The built-in model reads only prompts with a context block.")

    def _result(self, block: str) -> ChatResult:
        try:
            context = Context.model_validate_json(block)
        except ValidationError as error:
            raise ChatModelError("The built-in model could not read the context block of the prompt.") from error
        step = decide(context).model_dump_json(exclude_none=True)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=step))])
