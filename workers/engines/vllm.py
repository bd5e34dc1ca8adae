"""One vLLM engine in this process: started from settings, one request per sample, aborted by id.

Where the chat template begins a thought in the prompt, the text carries the opening mark of that thought. Marks that
are special tokens are decoded too. Code that reads a stored text therefore needs no template (verifiers.thoughts).

Promises: each request has its own random generator, so on CPUs a sample's tokens depend on its prompt, its seed and the
engine, not on what else runs; an engine that cannot start raises EngineStartError with the engine's own last lines; a
dead engine raises EngineGoneError out of `generate`.
Does not: restart itself (the coordinator starts a new generator) or know of Ray. It does not promise equal tokens on
GPUs, where the probabilities themselves depend on the batch (unless vLLM runs with VLLM_BATCH_INVARIANT=1), or with
`sampling.seeded = false`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psutil

from runstore.schema import Messages
from verifiers import thoughts
from workers.engines.base import (
    Ability,
    Engine,
    EngineGoneError,
    EngineSettings,
    Generation,
    GenerationRequest,
    PromptPreview,
    StepClock,
)
from workers.engines.detokenize import LONG_TOKENS, decoder_of, num_last_tokens, text_of
from workers.engines.engine_log import last_lines
from workers.engines.model_folder import model_revision
from workers.engines.preview import preview
from workers.engines.rendering import COMPLETION_STOP, Prompt, Renderer, text_to_store
from workers.engines.thinking import Parted, marks_of, part_tokens
from workers.engines.thinking_budget import closed_by_budget, mark_ids
from workers.engines.vllm_arguments import VllmArguments, arguments_of
from workers.engines.vllm_parameters import parameters_for
from workers.engines.vllm_start import logged_start, prepare, started_llm, vllm_version

PROMPT_CACHE = 4096
"""Number of tokenised prompts kept; the samples of a problem share one."""
ABILITIES = frozenset(Ability) - {Ability.ADAPTER, Ability.THINKING_BUDGET}
"""What a vLLM engine can always do. Adapters need `enable_lora` among the engine's arguments, since vLLM reserves
memory for them."""


class VllmEngine(Engine):
    """An AsyncLLM."""

    name = "vllm"
    Arguments = VllmArguments

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        has_room = settings.lora or settings.engine_args.get("enable_lora")
        adapters = frozenset({Ability.ADAPTER}) if has_room else frozenset()
        budget = frozenset({Ability.THINKING_BUDGET}) if settings.thinking and settings.thinking_budget else frozenset()
        self.abilities = ABILITIES | adapters | budget
        self._marks = marks_of(settings.thinking) if settings.thinking else None
        self._prompts: OrderedDict[tuple[Messages, str], Prompt] = OrderedDict()
        self._renderer: Any = None
        self._adapters: dict[str, int] = {}
        """Folder of an adapter → the number that vLLM knows it by."""
        self._llm: Any = None
        self._tokenizer: Any = None
        self._skip_special_tokens = True
        self._decoder: Any = None

    async def start(self) -> None:
        """Loads the model (seconds to minutes). Raises EngineStartError."""
        with logged_start(self.settings):
            await prepare(self.settings)
            self.steps = [StepClock() for _ in range(self.settings.num_ranks())]
            budget = self._marks if Ability.THINKING_BUDGET in self.abilities else None
            self._llm = started_llm(self.settings, self.arguments(), budget, self.steps)
            self._read_llm()

    def preview(self, messages: Messages) -> PromptPreview:
        """See Engine.preview. vLLM's renderer is asked in a process of its own, so that this one stays without vLLM."""
        return preview(self.settings, self.arguments(), messages)

    def arguments(self) -> dict[str, Any]:
        """The arguments for vLLM's AsyncEngineArgs."""
        return arguments_of(self.settings)

    def _read_llm(self) -> None:
        """Takes over what the started engine knows of its model and its memory."""
        settings = self.settings
        self._tokenizer = self._llm.get_tokenizer()
        self._renderer = Renderer(self._llm.renderer, settings.chat_template_kwargs, settings.completion)
        self._skip_special_tokens = not thoughts.special_marks(getattr(self._tokenizer, "all_special_tokens", ()))
        self._decoder = decoder_of(self._tokenizer)
        model = self._llm.vllm_config.model_config
        cache = self._llm.vllm_config.cache_config
        self.version = vllm_version()
        self.max_model_len = int(model.max_model_len)
        # `num_gpu_blocks` is the sum over ranks. It overstates models whose layers need caches of several kinds, for
        # which vLLM counts the tokens itself, for each rank.
        counted = int(cache.kv_cache_size_tokens or 0) * settings.num_ranks()
        self.kv_capacity_tokens = counted or int(cache.num_gpu_blocks or 0) * int(cache.block_size or 0)
        self.revision = settings.revision or model_revision(settings.path, model)
        if settings.lora:
            self.revision += f"+lora:{model_revision(settings.lora, model)}"

    async def generate(self, request: GenerationRequest) -> Generation:
        """One sample. An aborted one returns with finish_reason `abort`. Raises EngineGoneError, EngineAbilityError."""
        self.require(request.needs())
        prompt = self._prompt_of(request)
        room = self.max_model_len - len(prompt.tokens)
        started = time.time()
        if room < 1:
            # Data, not a fault: the problem does not fit this model's context.
            return Generation(
                "",
                "length",
                len(prompt.tokens),
                prompt_ids=prompt.tokens if request.tokens else (),
                opened_thought=bool(prompt.opening),
                thought_tokens=0,
                answer_tokens=0,
            )
        stop = [*request.sampling.stop, *request.stop, *(COMPLETION_STOP if self.settings.completion else ())]
        is_decoded_here = self._decoder is not None and not stop
        handling = {"detokenize": not is_decoded_here, "skip_special_tokens": self._skip_special_tokens}
        budgets = Ability.THINKING_BUDGET in self.abilities
        parameters = parameters_for(request, room, stop, beside_budgets=budgets, **handling)
        final = await self._final_output(prompt.tokens, parameters, request.id, self._adapter(request.adapter))
        completion = final.outputs[0]
        num_tokens = len(completion.token_ids)
        text = completion.text
        if is_decoded_here:
            what = prompt.tokens, completion.token_ids, completion.finish_reason == "stop"
            text = await text_of(self._decoder, *what, self._skip_special_tokens)
        if not request.prefix:  # after a prefix the mark would stand in the middle of the answer
            text = text_to_store(text, prompt, self._marks, completion.finish_reason)
        parted = await self._parted(text, completion)
        stats = final.metrics
        waited = (stats.scheduled_ts - stats.queued_ts) if stats and stats.scheduled_ts else 0.0
        mean = completion.cumulative_logprob / num_tokens if num_tokens and completion.cumulative_logprob else None
        return Generation(
            text=text,
            finish_reason=completion.finish_reason or "abort",
            prompt_tokens=len(prompt.tokens),
            completion_tokens=num_tokens,
            mean_logprob=mean,
            queue_s=max(waited, 0.0),
            generation_s=max(time.time() - started - max(waited, 0.0), 0.0),
            token_ids=completion.token_ids,
            logprobs=token_logprobs(completion.token_ids, completion.logprobs) if request.logprobs else None,
            opened_thought=bool(prompt.opening),
            prompt_ids=prompt.tokens if request.tokens else (),
            opening_tokens=self._opening_tokens(prompt) if request.tokens and not request.prefix else 0,
            thought_tokens=parted.thought_tokens,
            answer_tokens=parted.answer_tokens,
            thought_closed_by=self._closed_by(request, prompt, completion.token_ids) if parted.is_closed else None,
        )

    def _closed_by(self, request: GenerationRequest, prompt: Prompt, token_ids: Sequence[int]) -> str:
        budget = request.sampling.thinking_tokens
        if not budget:
            return "model"
        marks = mark_ids(self._llm.vllm_config.reasoning_config)
        return "budget" if closed_by_budget(prompt.tokens, token_ids, budget, marks) else "model"

    def _opening_tokens(self, prompt: Prompt) -> int:
        """How many of the prompt's last tokens are its opening mark."""
        return num_last_tokens(prompt.tokens, prompt.opening, self._tokenizer) if prompt.opening else 0

    async def _parted(self, text: str, completion: Any) -> Parted:
        """The sample's tokens, told apart by thought and answer."""
        what = text, completion.finish_reason or "abort", completion.token_ids
        if len(completion.token_ids) < LONG_TOKENS:
            return part_tokens(*what, self._encoded, self._decoded)
        return await asyncio.to_thread(part_tokens, *what, self._encoded, self._decoded)

    def _encoded(self, text: str) -> Sequence[int]:
        if self._decoder is not None:  # changes nothing in the tokenizer, so that a thread may call it
            return list(self._decoder.encode(text, add_special_tokens=False).ids)
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _decoded(self, token_ids: Sequence[int]) -> str:
        decoder = self._decoder if self._decoder is not None else self._tokenizer
        return str(decoder.decode(list(token_ids), skip_special_tokens=self._skip_special_tokens))

    async def _final_output(self, token_ids: list[int], parameters: Any, request_id: str, adapter: Any = None) -> Any:
        """The only output of a FINAL_ONLY request. Raises EngineGoneError."""
        from vllm.v1.engine.exceptions import EngineDeadError

        final = None
        try:
            outputs: AsyncIterator[Any] = self._llm.generate(
                {"prompt_token_ids": token_ids}, parameters, request_id, lora_request=adapter
            )
            async for output in outputs:
                final = output
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None
        if final is None:
            raise EngineGoneError(f"request {request_id} ended without an output")
        return final

    async def score(self, request_id: str, messages: Messages, text: str) -> list[float] | None:
        """See Engine.score. A cached prefix has no log-probabilities, so vLLM skips its cache for such a request."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        before, opening, _ = self._prompt(messages)
        # The template may have begun the thought that the text begins with; its mark must not stand there twice.
        answer = self._tokenizer.encode(text.removeprefix(opening), add_special_tokens=False)
        # vLLM draws one token even where only the prompt is asked for.
        if not answer or len(before) + len(answer) >= self.max_model_len:
            return None
        parameters = SamplingParams(
            max_tokens=1, prompt_logprobs=0, temperature=0, output_kind=RequestOutputKind.FINAL_ONLY
        )
        final = await self._final_output([*before, *answer], parameters, request_id, self._adapter())
        return list(token_logprobs(answer, final.prompt_logprobs[len(before) :]))

    async def abort(self, request_ids: Sequence[str]) -> None:
        """Stops requests at the engine's next step; unknown ids do nothing."""
        await self._llm.abort(list(request_ids))

    def _adapter(self, folder: str = "") -> Any:
        """The adapter in `folder`, or else that of `model.lora`, as vLLM takes it; None: there is none."""
        from vllm.lora.request import LoRARequest

        folder = folder or self.settings.lora
        if not folder:
            return None
        number = self._adapters.setdefault(folder, len(self._adapters) + 1)
        return LoRARequest(lora_name=folder, lora_int_id=number, lora_path=folder)

    def _prompt_of(self, request: GenerationRequest) -> Prompt:
        if request.messages:
            return self._prompt(request.messages, request.prefix)
        beginning = self._tokenizer.encode(request.prefix, add_special_tokens=False) if request.prefix else []
        return Prompt([*request.token_ids, *beginning], "")

    def _prompt(self, messages: Messages, prefix: str = "") -> Prompt:
        """The prompt of `messages`, from the cache where it is known."""
        key = messages, prefix
        if key in self._prompts:
            self._prompts.move_to_end(key)
            return self._prompts[key]
        prompt = self._prompts[key] = self._renderer.prompt(messages, prefix)
        if len(self._prompts) > PROMPT_CACHE:
            self._prompts.popitem(last=False)
        return prompt

    async def responds(self) -> bool:
        """Makes the round trip to the processes of all ranks. vLLM's own health check looks at a flag only."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.is_sleeping()
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None
        return True

    def kill(self) -> None:
        """Ends the engine's processes, which are all those below this one."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    async def check(self) -> None:
        """Raises EngineGoneError if the engine process is gone."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.check_health()
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None

    def stop(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None


def token_logprobs(token_ids: Sequence[int], rows: Any) -> tuple[float, ...]:
    """The log-probability of each token, taken from vLLM's tables of alternatives."""
    return tuple(row[token].logprob for token, row in zip(token_ids, rows, strict=True))
